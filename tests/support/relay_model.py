"""A relay as a model of RFC 5321, at the other end of a session's wire: no sockets, no time.

It keeps its own books of what it took, so that a test can hold what Fogbell says against them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from fogbell_worker.channels.email.replies import SmtpReply, smtp_reply
from fogbell_worker.channels.email.session import Session

Choose = Callable[[str], str]
"""A word (``CONNECT``, ``MAIL``, ``RCPT``, ``DATA`` or ``.``) to the reply that it gets."""

GOOD = {
    "CONNECT": "220 hi",
    "MAIL": "250 ok",
    "RCPT": "250 ok",
    "DATA": "354 go",
    ".": "250 queued",
}


@dataclass
class Books:
    """What all connections saw: mails taken, and final dots, by the name in the mail."""

    taken: list[str] = field(default_factory=list)
    dots: list[str] = field(default_factory=list)


class ModelRelay:
    """One connection. What it answers waits in ``outbox`` until a test delivers it."""

    def __init__(self, choose: Choose, books: Books) -> None:
        self.session: Session | None = None
        self.writable = True
        self.gone = False
        self.outbox: list[str] = []
        self.writes: list[bytes] = []
        self._choose = choose
        self._books = books
        self._unread = b""
        self._recipient: str | None = None
        self._in_data = False

    def write(self, data: bytes) -> None:
        """As the transport's."""
        if self.gone:
            return
        self.writes.append(data)
        self._unread += data
        while self._step():
            pass

    def abort(self) -> None:
        """As the transport's."""
        self.gone = True

    def deliver(self, count: int) -> None:
        """Let so many replies arrive at once."""
        texts, self.outbox = self.outbox[:count], self.outbox[count:]
        if texts and not self.gone and self.session is not None:
            self.session.on_replies([_reply(text) for text in texts])

    def lose(self) -> None:
        """The connection breaks; replies on their way are lost."""
        self.gone = True
        if self.session is not None:
            self.session.end()

    def _step(self) -> bool:
        if self._in_data:
            return self._message()
        line, end, rest = self._unread.partition(b"\r\n")
        if not end:
            return False
        self._unread = rest
        self.outbox.append(self._answer(line.decode()))
        return True

    def _answer(self, line: str) -> str:
        word = line[:4]
        if word in ("RSET", "QUIT"):
            self._recipient = None
            return "250 ok"
        text = self._choose(word)
        if word == "RCPT" and text.startswith("2"):
            self._recipient = line.partition("<")[2].partition("@")[0]
        self._in_data = word == "DATA" and text.startswith("3")
        return text

    def _message(self) -> bool:
        """Read up to the dot, and take the mail or not."""
        if self._unread.startswith(b".\r\n"):
            message, self._unread = b"", self._unread[3:]
        elif b"\r\n.\r\n" in self._unread:
            message, _, self._unread = self._unread.partition(b"\r\n.\r\n")
        else:
            return False
        self._in_data = False
        self.outbox.append(self._verdict(message))
        return True

    def _verdict(self, message: bytes) -> str:
        name, self._recipient = self._recipient, None
        if name is None:
            assert not message, "a message without a recipient"
            return "554 no valid recipients"
        assert message.startswith(f"Dear {name} ".encode()), "empty, or somebody else's"
        self._books.dots.append(name)
        text = self._choose(".")
        if text.startswith("2"):
            self._books.taken.append(name)
        return text


def _reply(text: str) -> SmtpReply:
    return smtp_reply(int(text[:3]), [text[4:]])
