"""The sink's ledger: one JSON line for every message that it answered."""

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from fogbell.model.status import Channel


class Outcome(StrEnum):
    """What the sink answered."""

    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Entry:
    """One answer.

    ``delivery`` is the local part of the Message-ID, the ``webhook-id`` header, or the tag of a
    push message. A text message carries nothing of the kind: "", and ``to`` has to tell.
    Mails have ``message_id``, ``to`` and ``size`` (octets), webhooks ``path``. What came over SMS
    or push has the ``provider`` that answered, ``to`` (the number, the device's token) and
    ``text`` (of a push message its title). ``code`` is the reply's: SMTP's, or HTTP's status;
    lines from before it was kept have none.
    """

    at: datetime
    channel: Channel
    delivery: str
    outcome: Outcome
    message_id: str | None = None
    to: tuple[str, ...] = ()
    size: int | None = None
    path: str | None = None
    provider: str | None = None
    text: str | None = None
    code: int | None = None

    def to_line(self) -> bytes:
        """As kept: a JSON object without the fields that do not apply, and a line feed."""
        fields: dict[str, Any] = {
            "at": self.at.isoformat(),
            "channel": self.channel,
            "delivery": self.delivery,
            "outcome": self.outcome,
        }
        match self.channel:
            case Channel.EMAIL:
                fields |= {"message_id": self.message_id, "to": self.to, "size": self.size}
            case Channel.WEBHOOK:
                fields["path"] = self.path
            case _:
                fields |= {"provider": self.provider, "to": self.to, "text": self.text}
        if self.code is not None:
            fields["code"] = self.code
        return json.dumps(fields).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "Entry":
        """Read `to_line` back. Raises ValueError."""
        fields: dict[str, Any] = json.loads(line)
        fields["at"] = datetime.fromisoformat(fields["at"])
        # Lines from before there were more than two channels do not say which.
        known = Channel.WEBHOOK if "path" in fields else Channel.EMAIL
        fields["channel"] = Channel(fields.get("channel", known))
        fields["outcome"] = Outcome(fields["outcome"])
        fields["to"] = tuple(fields.get("to", ()))
        return cls(**fields)


def now() -> datetime:
    """The time of an answer."""
    return datetime.now(UTC)


def read(path: Path) -> list[Entry]:
    """Every entry, oldest first; none where there is no file yet.

    A last line without its line feed was cut off by a kill, and never answered: it is left out.
    """
    if not path.exists():
        return []
    return [Entry.from_line(line) for line in path.read_bytes().split(b"\n")[:-1]]


class Writer:
    """Appends entries, all that come in one turn of the event loop with one fsync.

    The loop stands still meanwhile, and what arrives makes the next group: handing the file to a
    thread cost more than it gave. After a failed write nothing is answered any more: ``failed``
    then holds the OSError.
    """

    def __init__(self, path: Path) -> None:
        self._loop = asyncio.get_running_loop()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        _drop_cut_line(self._file)
        self._waiting: list[tuple[bytes, Callable[[], None]]] = []
        self.failed: asyncio.Future[None] = self._loop.create_future()

    def append(self, entry: Entry, written: Callable[[], None]) -> None:
        """Have ``entry`` written; ``written`` is called once it is on the disk."""
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append((entry.to_line(), written))

    def close(self) -> None:
        """Close the file; nothing may be appended any more."""
        self.failed.cancel()
        os.close(self._file)

    def _flush(self) -> None:
        batch, self._waiting = self._waiting, []
        try:
            self._write(b"".join(line for line, _ in batch))
        except OSError as error:
            self.failed.set_exception(error)
            return
        for _, written in batch:
            written()

    def _write(self, lines: bytes) -> None:
        rest = memoryview(lines)
        while rest:
            rest = rest[os.write(self._file, rest) :]
        os.fsync(self._file)


def _drop_cut_line(file: int) -> None:
    """Cut what a killed predecessor had begun to write."""
    size = os.fstat(file).st_size
    end = os.pread(file, size, 0).rfind(b"\n") + 1 if size else 0
    if end < size:
        os.ftruncate(file, end)
