"""uvicorn with what it lacks: heads bounded in size and time, a stop that streams hear of, and a
file that says when it is ready.
"""

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
from fogbell_intake.limits import HEAD_TIMEOUT, LINGER, MAX_HEAD
from fogbell_intake.parsing import BODY_IS_HERE
from fogbell_intake.settings import HttpSettings

KEEP_ALIVE = 75
"""Seconds that an idle connection is kept: longer than the 60 of common proxies, so that theirs
ends first and none sends into a connection that closes."""

log = structlog.get_logger(__name__)

_ENDS = b"content-length: 0\r\nconnection: close\r\n\r\n"
_HEAD_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\n" + _ENDS
_HEAD_TOO_LATE = b"HTTP/1.1 408 Request Timeout\r\n" + _ENDS


class BoundedProtocol(HttpToolsProtocol):
    """No client holds a connection by being slow, and none makes it gather more than `MAX_HEAD`.

    httptools itself would gather any amount of a head, and uvicorn would wait for ever: for a
    first byte, for the rest of a head, for the rest of a body whose request is answered, and for
    an answer to be taken. An application bounds only the time of a body that it reads.

    It answers by a `GatheringTransport`.
    """

    _gathering: GatheringTransport
    _head = 0
    _in_head = False
    _in_body = False
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Put what gathers an answer's pieces before the transport."""
        self._gathering = GatheringTransport(
            cast("asyncio.Transport", transport), self.loop, self.timeout_keep_alive
        )
        super().connection_made(self._gathering)
        self._await_request()  # silent from the start is idle, too

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        super().connection_lost(exc)  # which closes, in vain
        self._wait_no_longer()
        self._unset_keepalive_if_required()
        self._gathering.unwatch()

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head that is not complete, and give it its time.

        Most heads come in one piece, and need no timer. A head that begins behind other things
        is counted from the next piece on, since nothing tells where in this one it began.
        """
        # Only a request ends the wait for one; uvicorn ends it for whatever comes.
        waiting, self.timeout_keep_alive_task = self.timeout_keep_alive_task, None
        if not self._in_body:
            self._head += len(data)
        super().data_received(data)
        if self._in_head:
            self._bound_head()
        else:
            self._head = 0  # a line's end between requests is none of a head
        if not self._is_idle():
            if waiting is not None:
                waiting.cancel()
        elif waiting is not None:
            self.timeout_keep_alive_task = waiting
        else:
            self._await_request()

    def on_message_begin(self) -> None:
        """A head has begun."""
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._in_head, self._in_body, self._head = False, True, 0
        self._wait_no_longer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body is complete; another head may follow."""
        self._in_body, self._head = False, 0
        self._wait_no_longer()
        self.scope[BODY_IS_HERE] = True  # type: ignore[literal-required]
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on for a while with a body that nobody reads any more."""
        super().on_response_complete()
        if self._in_body and self.cycle.response_complete:
            self._patience = self.loop.call_later(LINGER, self.transport.close)

    def pause_writing(self) -> None:
        """The client takes an answer slowly, or not at all."""
        super().pause_writing()
        self._gathering.watch()

    def resume_writing(self) -> None:
        """It has taken it. The wait for its next request may have ended meanwhile."""
        super().resume_writing()
        if not self.transport.is_closing():  # a close waits for the last byte
            self._gathering.unwatch()
            if self.timeout_keep_alive_task is None and self._is_idle():
                self._await_request()

    def timeout_keep_alive_handler(self) -> None:
        """End a connection without a request, but not one that still takes its answer.

        What is left of a small answer is dropped: a close would wait for it to be taken.
        """
        self.timeout_keep_alive_task = None
        if not self.flow.write_paused:
            self.transport.abort()

    def _await_request(self) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def _is_idle(self) -> bool:
        """Whether all that came is answered, and nothing is coming."""
        answered = self.cycle is None or self.cycle.response_complete
        return answered and not (self._in_head or self._in_body) and not self.transport.is_closing()

    def _bound_head(self) -> None:
        if self.transport.is_closing():
            return
        if self._head > MAX_HEAD:
            self.flow.pause_reading()  # an answer under way may go on for long
            self._refuse_head(_HEAD_TOO_LARGE)
        elif self._patience is None:
            self._patience = self.loop.call_later(HEAD_TIMEOUT, self._head_is_late)

    def _head_is_late(self) -> None:
        self._patience = None
        if self.flow.read_paused:  # it is not the client that is slow
            self._bound_head()
        else:
            self._refuse_head(_HEAD_TOO_LATE)

    def _refuse_head(self, answer: bytes) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False  # the answer to the request before goes first
        elif not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()

    def _wait_no_longer(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


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
