"""A stream as an answer: server-sent events, cut off where the client takes nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterable, Callable

from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

_HEADERS = {
    "Cache-Control": "no-store, no-transform",
    # Asks nginx, and what follows its example, not to hold events back.
    "X-Accel-Buffering": "no",
}


class SlowClientError(Exception):
    """The client took nothing for as long as it may."""


class StreamResponse(StreamingResponse):
    """Sends ``chunks`` until they end, the client goes, or takes nothing for ``write_timeout`` s.

    ``closed`` is called once, however it ends.
    """

    def __init__(
        self, chunks: AsyncIterable[bytes], *, write_timeout: float, closed: Callable[[], None]
    ) -> None:
        super().__init__(chunks, headers=_HEADERS, media_type="text/event-stream")
        self._write_timeout = write_timeout
        self._closed = closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's entry."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._closed()

    async def stream_response(self, send: Send) -> None:
        """As Starlette's. A cut answer is left unfinished, which closes its connection."""

        async def send_in_time(message: Message) -> None:
            try:
                async with asyncio.timeout(self._write_timeout):
                    await send(message)
            except TimeoutError:
                raise SlowClientError from None

        with contextlib.suppress(SlowClientError):
            await super().stream_response(send_in_time)
