"""The network between components and servers: Toxiproxy, with a proxy before each server.

Source of paths and toxics: Toxiproxy's README, "HTTP API" and "Toxics".
"""

import threading
from collections.abc import Sequence
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

Toxic = dict[str, Any]
"""What is done to what passes, as Toxiproxy's interface takes it."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """What stands before one server. ``port`` is where it listens. All methods block."""

    proxies: "Proxies"
    name: str
    port: int
    server_port: int

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
        self.proxies.heal(self)

    def _poison(self, kind: str, streams: Sequence[str] = STREAMS, **attributes: int) -> None:
        for stream in streams:
            toxic = {"name": f"{kind}-{stream}", "type": kind, "stream": stream}
            self.proxies.poison(self, {**toxic, "toxicity": 1.0, "attributes": attributes})


class Proxies:
    """One Toxiproxy, as a child process. Close it, or use it in a ``with`` statement.

    It may stand still for good: before it puts a toxic on a connection it waits for that to pass on
    what it holds, and nobody may take it, or the connection may break at that moment. Then it is
    started anew, which cuts every connection, with the toxics that it had.
    """

    def __init__(self, program: Path, directory: Path, patience: float = 10.0) -> None:
        """``patience`` is in seconds: how long a change may take."""
        directory.mkdir(parents=True, exist_ok=True)
        self._port = free_ports(1)[0]
        self._command = [str(program), "-host", HOST, "-port", str(self._port)]
        self._log = directory / "toxiproxy.log"
        self._patience = patience
        self._stood: dict[Proxy, list[Toxic]] = {}
        self._one = threading.Lock()
        self.renewed = 0
        self._begin()

    def before(self, name: str, server_port: int) -> Proxy:
        """A proxy before the server that listens on ``server_port``."""
        proxy = Proxy(self, name, free_ports(1)[0], server_port)
        self._stand(proxy)
        self._stood[proxy] = []
        return proxy

    def poison(self, proxy: Proxy, toxic: Toxic) -> None:
        """Put ``toxic`` on what passes ``proxy``. Raises `httpx2.HTTPError`."""
        with self._one:
            self._stood[proxy].append(toxic)
            self._change("POST", f"/proxies/{proxy.name}/toxics", toxic)

    def heal(self, proxy: Proxy) -> None:
        """Take all toxics of ``proxy`` away. Raises `httpx2.HTTPError`."""
        with self._one:
            toxics, self._stood[proxy] = self._stood[proxy], []
            renewed = self.renewed
            for toxic in toxics:
                if self.renewed == renewed:  # else they are gone
                    self._change("DELETE", f"/proxies/{proxy.name}/toxics/{toxic['name']}")

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

    def _begin(self) -> None:
        self._process = GuardedProcess(self._command, self._log)
        url = f"http://{HOST}:{self._port}"
        self._http = httpx2.Client(base_url=url, trust_env=False, timeout=self._patience)
        self._process.wait_until(self._answers, START_SECONDS, "Toxiproxy")

    def _change(self, method: str, path: str, body: Toxic | None = None) -> None:
        try:
            self._http.request(method, path, json=body).raise_for_status()
        except httpx2.TimeoutException:
            self._renew()

    def _renew(self) -> None:
        self.close()
        self._begin()
        for proxy, toxics in self._stood.items():
            self._stand(proxy)
            for toxic in toxics:
                path = f"/proxies/{proxy.name}/toxics"
                self._http.post(path, json=toxic).raise_for_status()
        self.renewed += 1

    def _stand(self, proxy: Proxy) -> None:
        listen, upstream = (f"{HOST}:{port}" for port in (proxy.port, proxy.server_port))
        body = {"name": proxy.name, "listen": listen, "upstream": upstream}
        self._http.post("/proxies", json=body).raise_for_status()

    def _answers(self) -> bool:
        try:
            return self._http.get("/version").is_success
        except httpx2.TransportError:
            return False
