"""Mails built from a skeleton: the standard library lays out the structure once, we fill it in.

``EmailMessage`` costs about a millisecond a mail, more than all else together. What differs from
mail to mail is only header values and bodies, so the MIME structure is flattened once for each
shape (text, HTML, both) and cut open at those places. The result is held equal to what the
standard library parses by a property test.
"""

import re
import secrets
from binascii import b2a_qp
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import lru_cache

from fogbell.rendering import RenderedEmail
from fogbell_worker.channels.email.headers import clean, mailbox, structured, unstructured

MAX_LINE = 998
"""Characters in a line without its CRLF (RFC 5322, 2.1.1)."""

_TEXT = "fogbell-text-body"
_HTML = "fogbell-html-body"
_SLOTS = re.compile(rf"Encoding: 7bit|{_TEXT}\r\n|{_HTML}\r\n".encode())
_SEVEN_BIT = bytes([0x09, 0x0A, 0x0D, *range(0x20, 0x7F)])


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail: the envelope's two addresses, and the message with CRLF line ends.

    ``message`` ends in CRLF and is not dot-stuffed: that belongs to DATA.
    """

    sender: str
    recipient: str
    message: bytes


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A MIME structure cut open: before the encoding, between it and the body, for each body."""

    boundary: str
    pieces: tuple[tuple[bytes, bytes], ...]
    end: bytes

    def fill(self, head: bytes, bodies: list[str]) -> bytes:
        """The message: ``head`` (whole header lines), the structure, the bodies encoded."""
        parts = [head]
        for (before, between), body in zip(self.pieces, bodies, strict=True):
            encoding, content = encode_body(body, self.boundary)
            parts += (before, encoding, between, content)
        parts.append(self.end)
        return b"".join(parts)


@lru_cache(maxsize=4)
def skeleton(*, text: bool, html: bool) -> Skeleton:
    """The structure for a shape, built once in a process. At least one of the two is asked for."""
    message = EmailMessage(policy=SMTP)
    boundary = f"=_{secrets.token_hex(12)}"
    if text:
        message.set_content(_TEXT, cte="7bit")
    if text and html:
        message.add_alternative(_HTML, subtype="html", cte="7bit")
        message.set_boundary(boundary)
    elif html:
        message.set_content(_HTML, subtype="html", cte="7bit")
    pieces = _SLOTS.split(message.as_bytes())
    pairs = zip(pieces[0:-1:2], pieces[1:-1:2], strict=True)
    return Skeleton(boundary, tuple((a + b"Encoding: ", b) for a, b in pairs), pieces[-1])


def compose(
    rendered: RenderedEmail,
    *,
    to: str,
    default_from: str,
    message_id: str,
    now: datetime,
    envelope_from: str | None = None,
) -> Mail:
    """The mail for one recipient.

    ``to`` is a checked address, ``message_id`` comes without angle brackets. Raises
    `InvalidHeaderError` where a rendered header cannot be sent; an empty one is left out.
    """
    from_, address = mailbox("From", rendered.from_ or default_from)
    headers = [
        ("From", from_),
        ("To", clean("To", to)),
        ("Subject", unstructured("Subject", rendered.subject)),
        ("Date", _date(int(now.timestamp()))),
        ("Message-ID", f"<{message_id}>"),
        ("Reply-To", mailbox("Reply-To", rendered.reply_to)[0] if rendered.reply_to else ""),
        *((name, structured(name, value)) for name, value in rendered.headers.items()),
    ]
    head = "".join([f"{name}: {value}\r\n" for name, value in headers if value]).encode("ascii")
    bodies = [body for body in (rendered.text, rendered.html) if body is not None]
    shape = skeleton(text=rendered.text is not None, html=rendered.html is not None)
    return Mail(envelope_from or address, to, shape.fill(head, bodies))


def encode_body(text: str, boundary: str) -> tuple[bytes, bytes]:
    """A body's transfer encoding and its content, which ends in CRLF.

    Every kind of line end becomes CRLF. ASCII stays readable as 7bit; all else, over-long lines
    and control characters go as quoted-printable, where the boundary's ``=_`` cannot occur
    (RFC 2045, 6.7).
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.endswith("\n"):
        text += "\n"
    data = text.replace("\n", "\r\n").encode("utf-8", "replace")
    if text.isascii() and boundary not in text and _fits_seven_bit(data):
        return b"7bit", data
    return b"quoted-printable", b2a_qp(data)


def stuff_dots(message: bytes) -> bytes:
    """``message`` as DATA wants it (RFC 5321, 4.5.2), without the final dot."""
    stuffed = message.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if stuffed.startswith(b".") else stuffed


def _fits_seven_bit(data: bytes) -> bool:
    if data.translate(None, _SEVEN_BIT):
        return False
    return len(data) <= MAX_LINE or max(map(len, data.split(b"\r\n"))) <= MAX_LINE


@lru_cache(maxsize=4)
def _date(second: int) -> str:
    return format_datetime(datetime.fromtimestamp(second, UTC))
