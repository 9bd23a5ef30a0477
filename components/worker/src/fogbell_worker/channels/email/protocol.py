"""The wire: bytes out, replies in, and no opinion about what they mean."""

import asyncio
from typing import cast

from fogbell_worker.channels.email.replies import MalformedReplyError, ReplyParser
from fogbell_worker.channels.email.session import Session


class SmtpProtocol(asyncio.Protocol):
    """Carries a session over an asyncio transport; ``session`` is set before anything arrives."""

    session: Session

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = ReplyParser()
        self.writable = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport over. With these limits it writes at once what the socket takes, and
        is writable only when all bytes have left.
        """
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=1, low=0)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The end, whoever made it."""
        self.session.end()

    def data_received(self, data: bytes) -> None:
        """Pass replies on."""
        try:
            replies = self._parser.feed(data)
        except MalformedReplyError:
            self.session.end("relay_protocol")
        else:
            self.session.on_replies(replies)

    def pause_writing(self) -> None:
        """The transport holds bytes that have not left."""
        self.writable = False

    def resume_writing(self) -> None:
        """The transport's buffer is empty."""
        self.writable = True
        # not at once: the transport is still busy with what it wrote
        asyncio.get_running_loop().call_soon(self.session.on_writable)

    def write(self, data: bytes) -> None:
        """Hand ``data`` to the transport; nothing happens where the connection is lost."""
        if self._transport is not None:
            self._transport.write(data)

    def abort(self) -> None:
        """Drop the connection and whatever is still buffered."""
        if self._transport is not None:
            self._transport.abort()
