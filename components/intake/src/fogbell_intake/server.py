"""uvicorn with what it lacks: bounded headers, a stop that streams hear of, a ready file."""

import asyncio
import contextlib
import json
import signal
import socket
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, cast

import structlog
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fogbell_intake.gathering import GatheringTransport
from fogbell_intake.limits import MAX_HEAD
from fogbell_intake.parsing import BODY_IS_HERE
from fogbell_intake.settings import HttpSettings

KEEP_ALIVE = 75
"""Seconds that an idle connection is kept: longer than the 60 of common proxies, so that theirs
ends first and none sends into a connection that closes."""

log = structlog.get_logger(__name__)

_HEAD_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class BoundedProtocol(HttpToolsProtocol):
    """Refuses request heads beyond `MAX_HEAD` bytes; httptools itself would gather any amount.

    It answers by a `GatheringTransport`.
    """

    _head = 0
    _in_body = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Put what gathers an answer's pieces before the transport."""
        gathering = GatheringTransport(cast("asyncio.Transport", transport), self.loop)
        super().connection_made(gathering)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head that is not complete."""
        if not self._in_body:
            self._head += len(data)
        super().data_received(data)
        if not self._in_body and self._head > MAX_HEAD and not self.transport.is_closing():
            self.transport.write(_HEAD_TOO_LARGE)
            self.transport.close()

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._in_body, self._head = True, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body is complete; another head may follow."""
        self._in_body, self._head = False, 0
        self.scope[BODY_IS_HERE] = True  # type: ignore[literal-required]
        super().on_message_complete()


class Server(uvicorn.Server):
    """Serves one app until SIGTERM or SIGINT.

    ``begin_stop`` is called when the stop begins; ``ready_file`` is written once it listens, as
    ``{"url": "http://..."}``.
    """

    def __init__(
        self,
        app: Starlette,
        settings: HttpSettings,
        *,
        begin_stop: Callable[[], None],
        ready_file: Path | None = None,
    ) -> None:
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            loop="uvloop",
            http=BoundedProtocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=settings.shutdown_seconds,
        )
        super().__init__(config)
        self._begin_stop = begin_stop
        self._ready_file = ready_file

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say where: with port 0 only the socket knows."""
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
            log.info("intake.listening", url=url)
            if self._ready_file is not None:
                await asyncio.to_thread(_write_whole, self._ready_file, {"url": url})

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell streams to end, since uvicorn waits for them; then shut down."""
        log.info("intake.stopping")
        self._begin_stop()
        await super().shutdown(sockets)
        log.info("intake.stopped")

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """As uvicorn's, without raising the signal again at the end: a stop asked for is none of
        the failures that an exit code reports.
        """
        loop = asyncio.get_running_loop()
        signals = (signal.SIGTERM, signal.SIGINT)
        for number in signals:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)


def _write_whole(path: Path, document: dict[str, Any]) -> None:
    """Whoever waits for the file never sees half of it."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(document) + "\n")
    partial.replace(path)
