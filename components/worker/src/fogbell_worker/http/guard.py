"""Keeps posts off what is not public: the server-side request forgery guard.

Whoever stores the URL of a webhook, or of a browser's push subscription, chooses where this process
connects to, from inside the cluster. So the check stands where the connection is made:
`GuardedBackend` looks the host up once, refuses it unless every address of the answer is allowed,
and connects to one of those very addresses. There is no second look-up that could answer
differently (DNS rebinding). How a host was spelt (decimal, hexadecimal, a name for loopback) does
not matter, since only what it resolves to is judged. TLS and the connection pool go on using the
name.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

import httpcore2

Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to the addresses to connect to, best first; raises OSError."""

_MAX_TRIED = 3
_RESOLVER_THREADS = 16

# IANA's special-purpose registries (RFC 6890 and its updates), and multicast. Spelt out because
# ipaddress.is_global calls multicast and NAT64 global, and changed between patch releases.
_NOT_PUBLIC_4: Final = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "168.63.129.16/32",  # Azure's platform services: a public number, served to the host only
    )
)
_GLOBAL_UNICAST_6: Final = IPv6Network("2000::/3")
_NOT_PUBLIC_6: Final = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # IETF protocol assignments: Teredo, ORCHID, benchmarking
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address of anybody's choice inside
        "3fff::/20",
    )
)


class AddressRefusedError(Exception):
    """The host resolves to an address, or the URL names a port, that may not be posted to."""


class ResolveError(Exception):
    """The host's name could not be looked up."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether this is global unicast that carries no other address inside.

    IPv6 is allowed by its one global unicast block, which leaves out mapped and compatible IPv4,
    NAT64 (``64:ff9b::/96``), unique local, link-local, loopback and multicast.
    """
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    return address in _GLOBAL_UNICAST_6 and not any(address in net for net in _NOT_PUBLIC_6)


class SystemResolver:
    """`Resolve` by the system's getaddrinfo, in threads of its own.

    Of its own because the event loop's few threads are everybody's: some hosts whose name servers
    never answer would keep every other look-up of the process waiting.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_RESOLVER_THREADS, thread_name_prefix="guard-dns")

    async def __call__(self, host: str, port: int) -> list[str]:
        """Addresses as text, in the system's order (RFC 6724); raises OSError."""
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, _look_up, host, port
        )
        return [str(entry[4][0]) for entry in found]

    def close(self) -> None:
        """Drop what waits; a look-up under way ends by its own time limit."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(
    host: str, port: int
) -> Sequence[tuple[object, object, object, object, tuple[object, ...]]]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


class Guard:
    """Decides which addresses a host may be reached at."""

    def __init__(
        self, resolve: Resolve, allow: Iterable[Network] = (), ports: Iterable[int] | None = None
    ) -> None:
        self._resolve = resolve
        self._allow = tuple(allow)
        self._ports = None if ports is None else frozenset(ports)

    async def admit(self, host: str, port: int) -> list[str]:
        """The addresses to connect to, looked up once, each of them checked.

        One refused address refuses the host: a name that points inside and outside at once is
        either a mistake or a trick. Raises `AddressRefusedError` and `ResolveError`.
        """
        if self._ports is not None and port not in self._ports:
            raise AddressRefusedError("the port is not among the allowed ones")
        addresses = await self._addresses(host, port)
        if not all(self._allowed(address) for address in addresses):
            raise AddressRefusedError(
                "the host's address is not public, and its network not allowed"
            )
        return [str(address) for address in addresses]

    async def _addresses(self, host: str, port: int) -> list[IPv4Address | IPv6Address]:
        try:
            found = [ip_address(text) for text in await self._resolve(host, port)]
        except (OSError, ValueError):  # ValueError: a label that no name server can be asked for
            raise ResolveError("the host's name could not be looked up") from None
        if not found:
            raise ResolveError("the host's name has no address")
        return list(dict.fromkeys(found))

    def _allowed(self, address: IPv4Address | IPv6Address) -> bool:
        return is_public(address) or any(address in network for network in self._allow)


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Connects httpcore's pool to addresses that a `Guard` has admitted, and to nothing else.

    ``network`` makes the connections themselves; it is given addresses, never names.
    """

    def __init__(self, guard: Guard, network: httpcore2.AsyncNetworkBackend | None = None) -> None:
        self._guard = guard
        self._network = network or httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's, not ours
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first admitted address that answers, ``timeout`` seconds in all.

        Raises as `Guard.admit`, and httpcore's ConnectError and ConnectTimeout.
        """
        addresses = (await self._guard.admit(host, port))[:_MAX_TRIED]
        share = None if timeout is None else timeout / len(addresses)
        for address in addresses[:-1]:
            try:
                return await self._connect(address, port, share, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return await self._connect(addresses[-1], port, share, local_address, socket_options)

    async def _connect(
        self,
        address: str,
        port: int,
        limit: float | None,
        local_address: str | None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None,
    ) -> httpcore2.AsyncNetworkStream:
        return _Connection(
            await self._network.connect_tcp(address, port, limit, local_address, socket_options)
        )


class _Connection(httpcore2.AsyncNetworkStream):
    """A connection that is closed when its TLS handshake is cancelled.

    httpcore closes it only when the handshake fails, and a hung one would keep its socket until
    the garbage collector comes by.
    """

    def __init__(self, stream: httpcore2.AsyncNetworkStream) -> None:
        self._stream = stream

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's, not ours
    ) -> httpcore2.AsyncNetworkStream:
        """As the interface has it."""
        try:
            return await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except asyncio.CancelledError:
            await self._stream.aclose()
            raise

    async def read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> bytes:
        """As the interface has it."""
        return await self._stream.read(max_bytes, timeout)

    async def write(
        self,
        buffer: bytes,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> None:
        """As the interface has it."""
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """As the interface has it."""
        await self._stream.aclose()

    def get_extra_info(self, info: str) -> object:
        """As the interface has it."""
        return self._stream.get_extra_info(info)
