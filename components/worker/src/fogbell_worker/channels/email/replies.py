"""SMTP replies, from bytes to values (RFC 5321, 4.2; enhanced codes RFC 2034 and 3463)."""

import re
from dataclasses import dataclass
from functools import lru_cache

_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:\s+|$)")
_LONGEST_LINE = 8192
_LONGEST_REPLY = 65536


class MalformedReplyError(ValueError):
    """The server sent what is no SMTP reply; the connection cannot be understood any more."""


@dataclass(frozen=True, slots=True)
class SmtpReply:
    """One whole reply: ``text`` is its lines joined by a space, without the enhanced code."""

    code: int
    enhanced: str | None
    text: str

    @property
    def positive(self) -> bool:
        """Whether the command was done."""
        return 200 <= self.code < 300


def smtp_reply(code: int, lines: list[str]) -> SmtpReply:
    """A reply from its code and its lines' texts.

    Each line may repeat the enhanced code (RFC 2034, section 4); one whose class contradicts the
    reply code is text like any other.
    """
    enhanced: str | None = None
    texts: list[str] = []
    for line in lines:
        match = _ENHANCED.match(line)
        if match and match[1][0] == str(code)[0]:
            enhanced = enhanced or match[1]
            line = line[match.end() :]
        texts.append(line.strip())
    return SmtpReply(code, enhanced, " ".join(filter(None, texts)))


class ReplyParser:
    """Collects bytes into replies; keeps what is not complete yet."""

    def __init__(self) -> None:
        self._rest = b""
        self._lines: list[str] = []
        self._size = 0

    def feed(self, data: bytes) -> list[SmtpReply]:
        """The replies that ``data`` completes. Raises `MalformedReplyError`."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            raise MalformedReplyError("a reply's line does not end")
        replies: list[SmtpReply] = []
        for line in lines:
            reply = self._line(line) if self._lines else _whole(line) or self._line(line)
            if reply is not None:
                replies.append(reply)
        return replies

    def _line(self, line: bytes) -> SmtpReply | None:
        code, last, text = _parts(line)
        self._size += len(line)
        if self._size > _LONGEST_REPLY:
            raise MalformedReplyError("a reply does not end")
        self._lines.append(text)
        if not last:
            return None
        lines, self._lines, self._size = self._lines, [], 0
        return smtp_reply(code, lines)


@lru_cache(maxsize=256)
def _whole(line: bytes) -> SmtpReply | None:
    """The reply that ``line`` is, or None where it is one of several. Relays say the same few
    things all day.
    """
    code, last, text = _parts(line)
    return smtp_reply(code, [text]) if last else None


def _parts(line: bytes) -> tuple[int, bool, str]:
    """A line's code, whether it is the reply's last one, and its text."""
    match = _LINE.fullmatch(line.removesuffix(b"\r"))
    if match is None or len(line) > _LONGEST_REPLY:
        raise MalformedReplyError("expected a reply of a code and text")
    return int(match[1]), match[2] != b"-", (match[3] or b"").decode("utf-8", "replace")
