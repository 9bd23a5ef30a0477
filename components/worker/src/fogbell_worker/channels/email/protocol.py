"""The wire: bytes out, replies in, and no opinion about what they mean."""

import asyncio
from collections import deque
from typing import cast

from fogbell_worker.channels.email.replies import MalformedReplyError, ReplyParser, SmtpReply

SERVICE_CLOSING = 421
"""The server's last word on a connection, whatever it was asked (RFC 5321, 3.8)."""


class SmtpProtocol(asyncio.Protocol):
    """An asyncio protocol that pairs groups of commands with their replies (RFC 2920).

    Attributes: ``lost`` is None while the connection can be used, then a word for what ended it:
    ``connection_lost``, or ``relay_protocol`` for a server that cannot be understood.
    """

    def __init__(self) -> None:
        self.lost: str | None = None
        self._transport: asyncio.Transport | None = None
        self._parser = ReplyParser()
        self._replies: deque[SmtpReply] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._writable = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport over; these limits make `flush` mean that all bytes have left."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=1, low=0)
        if self._transport.is_closing():
            self._end("connection_lost")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Note the end and wake whoever waits."""
        self._end("connection_lost")

    def data_received(self, data: bytes) -> None:
        """Collect replies. One that nobody asked for stays, and makes the connection unusable."""
        try:
            self._replies.extend(self._parser.feed(data))
        except MalformedReplyError:
            self.abort("relay_protocol")
        self._wake()

    def pause_writing(self) -> None:
        """The transport holds bytes that have not left."""
        self._writable = False

    def resume_writing(self) -> None:
        """The transport's buffer is empty."""
        self._writable = True
        self._wake()

    @property
    def unsolicited(self) -> bool:
        """Whether replies stand here that no command has asked for: we are out of step."""
        return bool(self._replies)

    def write(self, data: bytes) -> None:
        """Hand ``data`` to the transport; nothing happens where the connection is lost."""
        if self._transport is not None and self.lost is None:
            self._transport.write(data)

    async def flush(self) -> None:
        """Wait until every byte has left, or the server has spoken, or the connection is lost."""
        while not (self._writable or self._replies or self.lost):
            await self._wait()

    async def replies(self, count: int) -> list[SmtpReply]:
        """The next ``count`` replies; fewer where the server says 421 or the connection ends."""
        taken: list[SmtpReply] = []
        while len(taken) < count:
            while not self._replies and self.lost is None:
                await self._wait()
            if not self._replies:
                break
            taken.append(self._replies.popleft())
            if taken[-1].code == SERVICE_CLOSING:
                self.abort("connection_lost")
                break
        return taken

    def abort(self, why: str = "connection_lost") -> None:
        """Drop the connection and whatever is still buffered."""
        self._end(why)
        if self._transport is not None:
            self._transport.abort()

    def _end(self, why: str) -> None:
        self.lost = self.lost or why
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
