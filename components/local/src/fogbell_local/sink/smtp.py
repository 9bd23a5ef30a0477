"""The sink's SMTP side (RFC 5321), written for many mails over few connections.

A protocol of our own, because a sink must be faster than what it measures. It offers PIPELINING
(RFC 2920), 8BITMIME, SMTPUTF8 and enhanced status codes, and is strict where a sloppy sender would
be caught out in the field: lines end with CR LF.
"""

import asyncio
import re
from typing import cast

from fogbell.model.status import Channel
from fogbell_local.sink import ledger
from fogbell_local.sink.answering import Answering
from fogbell_local.sink.ledger import Entry, Outcome

MAX_COMMAND = 4096
MAX_MESSAGE = 32 * 1024 * 1024

_ACCEPTED = 250
_END_OF_DATA = b"\r\n.\r\n"
_PATH = re.compile(rb"<([^<>]*)>")
_MESSAGE_ID = re.compile(rb"^message-id:\s*<([^<>]*)>", re.IGNORECASE | re.MULTILINE)

_CAPABILITIES = (
    b"250-fogbell sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
    b"250-ENHANCEDSTATUSCODES\r\n250 SIZE %d\r\n" % MAX_MESSAGE
)
_FIXED = {
    b"EHLO": _CAPABILITIES,
    b"HELO": b"250 fogbell sink\r\n",
    b"NOOP": b"250 2.0.0 OK\r\n",
    b"RSET": b"250 2.0.0 OK\r\n",
    b"VRFY": b"252 2.1.5 Send and see\r\n",
}
_RESETS = frozenset({b"EHLO", b"HELO", b"RSET"})


class SmtpConnection(asyncio.Protocol):
    """One client. Commands are answered in order; those behind a mail wait for its reply."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._transport: asyncio.Transport | None = None
        self._input = bytearray()
        self._searched = 0
        self._sender: bytes | None = None
        self._recipients: list[str] = []
        self._in_data = False
        self._busy = False
        self._ending = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not a subclass
        self._transport.write(b"220 fogbell sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        """Take what came and answer what is complete."""
        self._input += data
        self._advance()

    def _advance(self) -> None:
        """Answer until something is incomplete, has to wait for the disk, or ends it."""
        assert self._transport is not None
        replies = bytearray()
        while not (self._busy or self._ending):
            reply = self._take_message() if self._in_data else self._take_command()
            if reply is None:
                break
            replies += reply
        if replies:
            self._transport.write(bytes(replies))
        if self._ending:
            self._transport.close()

    def _take_command(self) -> bytes | None:
        """The reply to the next command if all of it is here."""
        line = self._take_line()
        if line is not None:
            return self._command(line)
        if len(self._input) > MAX_COMMAND:
            self._ending = True
            return b"421 4.5.2 Line too long\r\n"
        return None

    def _take_line(self) -> bytes | None:
        end = self._input.find(b"\r\n")
        if end < 0:
            return None
        line = bytes(self._input[:end])
        del self._input[: end + 2]
        return line

    def _command(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        if verb in _FIXED:
            if verb in _RESETS:
                self._reset()
            return _FIXED[verb]
        match verb:
            case b"MAIL":
                return self._mail(line)
            case b"RCPT":
                return self._rcpt(line)
            case b"DATA":
                return self._data()
            case b"QUIT":
                self._ending = True
                return b"221 2.0.0 Bye\r\n"
        return b"502 5.5.1 Not implemented\r\n"

    def _mail(self, line: bytes) -> bytes:
        path = _PATH.search(line)
        if self._sender is not None:
            return b"503 5.5.1 MAIL given already\r\n"
        if path is None:
            return b"501 5.5.4 MAIL FROM:<address>\r\n"
        self._sender = path[1]
        return b"250 2.1.0 OK\r\n"

    def _rcpt(self, line: bytes) -> bytes:
        path = _PATH.search(line)
        if self._sender is None:
            return b"503 5.5.1 MAIL first\r\n"
        if path is None or not path[1]:
            return b"501 5.5.4 RCPT TO:<address>\r\n"
        self._recipients.append(path[1].decode(errors="replace"))
        return b"250 2.1.5 OK\r\n"

    def _data(self) -> bytes:
        if not self._recipients:
            return b"503 5.5.1 RCPT first\r\n"
        self._in_data = True
        # The end of the command's own line counts as the line end before a lone dot.
        self._input[:0] = b"\r\n"
        return b"354 End with CR LF . CR LF\r\n"

    def _take_message(self) -> bytes | None:
        """The reply to the message if all of it is here; empty if it comes after the disk."""
        end = self._input.find(_END_OF_DATA, max(self._searched - len(_END_OF_DATA), 0))
        if end < 0:
            self._searched = len(self._input)
            return None
        message = bytes(self._input[2 : end + 2])
        del self._input[: end + len(_END_OF_DATA)]
        fault = _fault(message)
        if fault is None:
            self._accept_or_refuse(message)
        self._reset()
        return fault or b""

    def _accept_or_refuse(self, message: bytes) -> None:
        entry = self._entry(message)
        reply = b"250 2.0.0 Accepted\r\n"
        if entry.outcome is Outcome.REFUSED:
            code = self._answering.refuse_code
            reply = b"%d %d.7.1 Greylisted, try again\r\n" % (code, code // 100)
        self._busy = True
        self._answering.answer(entry, lambda: self._answered(reply), self._unanswered)

    def _entry(self, message: bytes) -> Entry:
        header = message.partition(b"\r\n\r\n")[0]
        found = _MESSAGE_ID.search(header)
        message_id = found[1].decode(errors="replace") if found else ""
        delivery = message_id.partition("@")[0]
        outcome = self._answering.refusals.mail(delivery)
        return Entry(
            at=ledger.now(),
            channel=Channel.EMAIL,
            delivery=delivery,
            outcome=outcome,
            message_id=f"<{message_id}>",
            to=tuple(self._recipients),
            size=len(message) - message.count(b"\r\n..") - message.startswith(b".."),
            code=_ACCEPTED if outcome is Outcome.ACCEPTED else self._answering.refuse_code,
        )

    def _answered(self, reply: bytes) -> None:
        """The entry is on the disk; the client may be gone, and then never learns of it."""
        assert self._transport is not None
        self._busy = False
        if not self._transport.is_closing():
            self._transport.write(reply)
            self._advance()

    def _unanswered(self) -> None:
        """The client gets no reply, and never learns whether the entry is on the disk."""
        assert self._transport is not None
        self._transport.abort()

    def _reset(self) -> None:
        self._sender = None
        self._recipients = []
        self._in_data = False
        self._searched = 0


def _fault(message: bytes) -> bytes | None:
    """The reply to a message that breaks the protocol, or None."""
    if len(message) > MAX_MESSAGE:
        return b"552 5.3.4 Message too big\r\n"
    pairs = message.count(b"\r\n")
    if message.count(b"\n") != pairs or message.count(b"\r") != pairs:
        return b"554 5.6.0 Bare CR or LF\r\n"
    return None
