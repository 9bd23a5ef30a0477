"""One HTTP exchange: post a body, take the answer, or say why there is none."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpcore2
import httpx2

from fogbell.model.outcome import Outcome, Reply
from fogbell_worker.http.failures import classify_failure
from fogbell_worker.http.guard import Guard, GuardedBackend, Resolve
from fogbell_worker.http.settings import GuardedSettings, HttpSettings

MAX_BODY = 16_384
"""Bytes of an answer's body that are read."""

_KEEPALIVE = 4.0
"""Seconds an idle connection is kept: below the 5 s after which common servers close theirs, so
that a post seldom meets a connection that is being closed."""

_BODY_SECONDS = 1.0
"""Seconds spent on an answer's body: its status is known, and stands without it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side said. Header names are in lower case.

    ``body`` is what came of it: nothing promises that it is whole.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def retry_after(self) -> str | None:
        """The Retry-After header as it stands."""
        return self.headers.get("retry-after")


class _Body:
    """A request body that knows whether the connection has begun to take it."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.handed_over = False

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        self.handed_over = True
        yield self.content


class HttpClient:
    """A pool of connections, without proxy, redirects, cookies or environment.

    It is httpcore's pool rather than httpx's client, because only the former takes a network
    backend (`GuardedBackend`), and because the latter logs every URL. Connections are pooled by
    host name: one is never used for a name that its certificate was not checked for.

    Without a ``network`` every address is connected to, and plain http is taken for what it is:
    that is for URLs which the operator has set. `guarded` makes one for all others.
    """

    def __init__(
        self,
        settings: HttpSettings,
        *,
        network: httpcore2.AsyncNetworkBackend | None = None,
        allow_http: bool = True,
        max_body: int = MAX_BODY,
    ) -> None:
        self._settings = settings
        self._allow_http = allow_http
        self._max_body = max_body
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=trust(settings.ca_file),
            max_connections=settings.connections,
            keepalive_expiry=_KEEPALIVE,
            network_backend=network,
        )

    @classmethod
    def guarded(
        cls, settings: GuardedSettings, resolve: Resolve, *, max_body: int = MAX_BODY
    ) -> "HttpClient":
        """A client for URLs that came with somebody's address."""
        guard = Guard(resolve, settings.allow_networks, settings.allowed_ports)
        return cls(
            settings,
            network=GuardedBackend(guard),
            allow_http=settings.allow_http,
            max_body=max_body,
        )

    async def post(
        self,
        url: str,
        headers: Mapping[str, str],
        content: bytes,
        *,
        deadline: float | None = None,
    ) -> Answer | Reply:
        """Post ``content`` once: the answer, or the reply that its absence amounts to.

        Ends by ``deadline`` (the event loop's time), which is `send_timeout` from now where it is
        None. Raises only on cancellation.
        """
        try:
            target = httpx2.URL(url)
        except httpx2.InvalidURL:
            return Reply(Outcome.PERMANENT, reason="bad_address", detail="not a URL")
        if target.scheme != "https" and not (self._allow_http and target.scheme == "http"):
            detail = "plain http is not allowed by this worker's settings"
            return Reply(Outcome.PERMANENT, reason="http_refused", detail=detail)
        body = _Body(content)
        if deadline is None:
            deadline = asyncio.get_running_loop().time() + self._settings.send_timeout
        try:
            return await self._exchange(self._request(target, headers, body), deadline)
        except Exception as error:  # every ending is a reply
            return classify_failure(error, handed_over=body.handed_over)

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.aclose()

    def _request(
        self, url: httpx2.URL, headers: Mapping[str, str], body: _Body
    ) -> httpcore2.Request:
        own = {
            "user-agent": self._settings.user_agent,
            "content-length": str(len(body.content)),
        }
        given = [(name.encode(), value.encode()) for name, value in {**own, **headers}.items()]
        return httpcore2.Request(
            b"POST",
            httpcore2.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            headers=[(b"host", url.netloc), *given],
            content=body,
            extensions={"timeout": {"connect": self._settings.connect_timeout}},
        )

    async def _exchange(self, request: httpcore2.Request, deadline: float) -> Answer:
        async with asyncio.timeout_at(deadline):
            response = await self._pool.handle_async_request(request)
        body = await self._read(response, deadline)
        headers = {
            name.lower().decode("latin-1"): value.decode("latin-1")
            for name, value in response.headers
        }
        return Answer(response.status, headers, body)

    async def _read(self, response: httpcore2.Response, deadline: float) -> bytes:
        """Read what is short, so that the connection can be kept; give up the rest."""
        until = min(deadline, asyncio.get_running_loop().time() + _BODY_SECONDS)
        read = bytearray()
        # the answer's status stands, however its body ends
        with contextlib.suppress(Exception):
            try:
                async with (
                    asyncio.timeout_at(until),
                    contextlib.aclosing(response.aiter_stream()) as chunks,
                ):
                    async for chunk in chunks:
                        read += chunk
                        if len(read) > self._max_body:
                            break
            finally:
                await response.aclose()
        return bytes(read[: self._max_body])


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """The system's authorities, and those of ``ca_file`` (PEM)."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context
