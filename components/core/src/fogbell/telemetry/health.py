"""A port of its own in every component: ``/metrics``, ``/healthz`` and ``/readyz``.

Served by the event loop that does the work, so that a loop that hangs does not answer.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from fogbell import __version__
from fogbell.settings import MetricsSettings

REQUEST_TIMEOUT = 5.0
LONGEST_HEAD = 8192

Missing = Callable[[], Awaitable[dict[str, str]]]


@dataclass(frozen=True, slots=True)
class _Answer:
    status: HTTPStatus
    body: bytes
    content_type: str = "application/json"

    def encoded(self) -> bytes:
        head = (
            f"HTTP/1.1 {self.status.value} {self.status.phrase}\r\n"
            f"Content-Type: {self.content_type}\r\n"
            f"Content-Length: {len(self.body)}\r\n"
            "Connection: close\r\n\r\n"
        )
        return head.encode() + self.body


class HealthServer:
    """A small HTTP/1.1 server: one GET a connection, which is all that scrapes and probes need."""

    def __init__(self, registry: CollectorRegistry, missing: Missing) -> None:
        self._registry = registry
        self._missing = missing
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen; ``port`` 0 takes any free one. Raises OSError where it is taken."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=LONGEST_HEAD)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write((await self._answer(head)).encoded())
                await writer.drain()
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError):
            pass  # a probe that hung up or never asked is owed nothing
        except asyncio.LimitOverrunError:
            writer.write(_Answer(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, b"").encoded())
        finally:
            writer.close()

    async def _answer(self, head: bytes) -> _Answer:
        parts = head.split(b"\r\n", 1)[0].split(b" ")
        if len(parts) != 3 or parts[0] != b"GET":
            return _Answer(HTTPStatus.METHOD_NOT_ALLOWED, b"")
        path = parts[1].split(b"?", 1)[0]
        if path == b"/metrics":
            return _Answer(HTTPStatus.OK, generate_latest(self._registry), CONTENT_TYPE_LATEST)
        if path == b"/healthz":
            return _Answer(HTTPStatus.OK, b'{"status": "alive"}')
        if path == b"/readyz":
            return await self._ready()
        return _Answer(HTTPStatus.NOT_FOUND, b"")

    async def _ready(self) -> _Answer:
        missing = await self._missing()
        status = HTTPStatus.SERVICE_UNAVAILABLE if missing else HTTPStatus.OK
        body = {"status": "not ready" if missing else "ready", "missing": missing}
        return _Answer(status, json.dumps(body).encode())


async def serve_health(
    registry: CollectorRegistry,
    host: str,
    port: int,
    missing: Missing,
    *,
    component: str,
    version: str = __version__,
) -> HealthServer:
    """Serve ``registry`` and the probes; ``missing`` tells what the process lacks, by name."""
    add_process(registry, component, version)
    server = HealthServer(registry, missing)
    await server.start(host, port)
    return server


def add_process(registry: CollectorRegistry, component: str, version: str = __version__) -> None:
    """Add what every process says of itself: what it is, and what it uses."""
    Gauge(
        "fogbell_build_info",
        "Always 1. The labels say what runs.",
        ["component", "version"],
        registry=registry,
    ).labels(component, version).set(1)
    ProcessCollector(registry=registry)


@contextlib.asynccontextmanager
async def health_served(
    registry: CollectorRegistry, settings: MetricsSettings, missing: Missing, *, component: str
) -> AsyncIterator[HealthServer]:
    """`serve_health` where ``settings`` say, until the block ends."""
    server = await serve_health(
        registry, settings.host, settings.port, missing, component=component
    )
    try:
        yield server
    finally:
        await server.close()
