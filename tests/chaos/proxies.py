"""The network between components and servers: Toxiproxy, with a proxy before each server.

Source of paths and toxics: Toxiproxy's README, "HTTP API" and "Toxics".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2

from fogbell_local.servers.ports import free_ports
from fogbell_local.servers.process import GuardedProcess

HOST = "127.0.0.1"
START_SECONDS = 20.0
STREAMS = ("upstream", "downstream")


@dataclass(frozen=True, slots=True)
class Proxy:
    """What stands before one server. ``port`` is where it listens. All methods block."""

    http: httpx2.Client
    name: str
    port: int
    server_port: int

    def stand(self) -> None:
        """Begin to listen."""
        listen, upstream = (f"{HOST}:{port}" for port in (self.port, self.server_port))
        body = {"name": self.name, "listen": listen, "upstream": upstream}
        self.http.post("/proxies", json=body).raise_for_status()

    def slow(self, milliseconds: int) -> None:
        """Everything arrives late, both ways, by so much and up to a third more or less."""
        self._poison("latency", latency=milliseconds, jitter=milliseconds // 3)

    def reset(self) -> None:
        """Connections are reset as soon as a client says something, the new ones as well."""
        self._poison("reset_peer", STREAMS[:1], timeout=0)

    def silence(self) -> None:
        """A black hole: connections stay, and nothing arrives."""
        self._poison("timeout", timeout=0)

    def heal(self) -> None:
        """As if nothing had been; what was silent is closed."""
        toxics = self.http.get(f"/proxies/{self.name}/toxics").raise_for_status().json()
        for toxic in toxics:
            self.http.delete(f"/proxies/{self.name}/toxics/{toxic['name']}").raise_for_status()

    def _poison(self, kind: str, streams: Sequence[str] = STREAMS, **attributes: int) -> None:
        try:
            self._add(kind, streams, attributes)
        except httpx2.TimeoutException:
            # It waits for a connection to pass on what it holds before it puts a toxic on it: for
            # ever, where nobody takes that, or the connection breaks at this moment.
            self._renew()
            self._add(kind, streams, attributes)

    def _add(self, kind: str, streams: Sequence[str], attributes: Mapping[str, int]) -> None:
        for stream in streams:
            toxic = {"name": f"{kind}-{stream}", "type": kind, "stream": stream}
            body: dict[str, Any] = {**toxic, "toxicity": 1.0, "attributes": attributes}
            self.http.post(f"/proxies/{self.name}/toxics", json=body).raise_for_status()

    def _renew(self) -> None:
        """Cut all connections, and stand there anew."""
        self.http.delete(f"/proxies/{self.name}").raise_for_status()
        self.stand()


class Proxies:
    """One Toxiproxy, as a child process. Close it, or use it in a ``with`` statement."""

    def __init__(self, program: Path, directory: Path, patience: float = 10.0) -> None:
        """``patience`` is in seconds: how long a change may take."""
        directory.mkdir(parents=True, exist_ok=True)
        port = free_ports(1)[0]
        command = [str(program), "-host", HOST, "-port", str(port)]
        self._process = GuardedProcess(command, directory / "toxiproxy.log")
        url = f"http://{HOST}:{port}"
        self._http = httpx2.Client(base_url=url, trust_env=False, timeout=patience)
        self._process.wait_until(self._answers, START_SECONDS, "Toxiproxy")

    def before(self, name: str, server_port: int) -> Proxy:
        """A proxy before the server that listens on ``server_port``."""
        proxy = Proxy(self._http, name, free_ports(1)[0], server_port)
        proxy.stand()
        return proxy

    def close(self) -> None:
        """End it."""
        self._http.close()
        self._process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()

    def _answers(self) -> bool:
        try:
            return self._http.get("/version").is_success
        except httpx2.TransportError:
            return False
