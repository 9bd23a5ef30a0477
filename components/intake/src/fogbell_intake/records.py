"""Records of an import: bytes to lines, lines to recipients or to what is wrong with them. Pure."""

import csv
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from fogbell.model.recipient import Recipient
from fogbell_intake.limits import MAX_LINE
from fogbell_intake.parsing import JsonError, loads
from fogbell_intake.problems import field_errors

MAX_RECORD_LINES = 100
"""Physical lines of one CSV record. More means a quote that was never closed; without a limit one
such quote would swallow the rest of the file."""

_ERRORS_A_RECORD = 5
_BOM = b"\xef\xbb\xbf"
_TOO_LONG = f"the record is longer than {MAX_LINE // 1024} KiB"


@dataclass(frozen=True, slots=True)
class Line:
    """One physical line, counted from 1, without its end; None where it is too long."""

    number: int
    content: bytes | None


@dataclass(frozen=True, slots=True)
class Bad:
    """A record that cannot be imported; ``line`` is where it starts."""

    line: int
    detail: str


Entry = Recipient | Bad


class HeaderError(ValueError):
    """A CSV that cannot be imported at all. Says which column, and why."""


class LineSplitter:
    """Chunks to lines; holds at most one line and one chunk."""

    def __init__(self) -> None:
        self._rest = b""
        self._number = 0
        self._skipping = False

    def feed(self, chunk: bytes) -> Iterator[Line]:
        """The lines that end in ``chunk``."""
        *ended, rest = (self._rest + chunk).split(b"\n")
        for content in ended:
            yield self._line(content)
        self._rest = rest
        if len(rest) > MAX_LINE:
            # Its beginning is enough to know that it is too long.
            self._rest, self._skipping = b"", True

    def finish(self) -> Iterator[Line]:
        """The last line, if it has no end."""
        if self._rest or self._skipping:
            yield self._line(self._rest)

    def _line(self, content: bytes) -> Line:
        self._number += 1
        skipped, self._skipping = self._skipping, False
        if skipped or len(content) > MAX_LINE:
            return Line(self._number, None)
        if self._number == 1:
            content = content.removeprefix(_BOM)
        return Line(self._number, content.removesuffix(b"\r"))


class NdjsonRecords:
    """One JSON object a line; empty lines are skipped."""

    def feed(self, line: Line) -> Iterator[Entry]:
        """The record of ``line``."""
        if line.content is None:
            yield Bad(line.number, _TOO_LONG)
        elif line.content.strip():
            yield self._entry(line.number, line.content)

    def finish(self) -> Iterator[Entry]:
        """Nothing: no record spans lines."""
        return iter(())

    def _entry(self, number: int, content: bytes) -> Entry:
        try:
            value = loads(content)
        except JsonError as error:
            return Bad(number, str(error))
        if not isinstance(value, dict):
            return Bad(number, "expected a JSON object")
        return _recipient(number, value)


def _recipient(number: int, document: dict[str, Any]) -> Entry:
    try:
        return Recipient.model_validate(document)
    except ValidationError as error:
        found = field_errors(error, document)[:_ERRORS_A_RECORD]
        return Bad(number, "; ".join(f"{e.pointer}: {e.detail}" for e in found))


class CsvRecords:
    """RFC 4180 with a header. A quoted field may span lines."""

    def __init__(self) -> None:
        self._columns: _Columns | None = None
        self._held: list[Line] = []
        self._size = 0

    def feed(self, line: Line) -> Iterator[Entry]:
        """The records that end with ``line``. Raises `HeaderError`."""
        waiting = deque([line])
        while waiting:
            entry = self._take(waiting.popleft(), waiting)
            if entry is not None:
                yield entry

    def finish(self) -> Iterator[Entry]:
        """What is left when the file ends within a quoted field. Raises `HeaderError`."""
        waiting: deque[Line] = deque()
        while self._held:
            yield self._abandon("a quoted field is not closed", waiting)
            while waiting:
                entry = self._take(waiting.popleft(), waiting)
                if entry is not None:
                    yield entry
        if self._columns is None:
            raise HeaderError("the file is empty; expected a header with the column 'id'")

    def _take(self, line: Line, waiting: deque[Line]) -> Entry | None:
        if not self._held and line.content is not None and not line.content.strip():
            return None
        self._held.append(line)
        self._size += len(line.content or b"") + 1
        if line.content is None or self._size > MAX_LINE or len(self._held) > MAX_RECORD_LINES:
            alone = len(self._held) == 1
            return self._abandon(_TOO_LONG if alone else "a quoted field is not closed", waiting)
        return self._parse(line.content, waiting)

    def _parse(self, newest: bytes, waiting: deque[Line]) -> Entry | None:
        if len(self._held) > 1 and b'"' not in newest:
            return None  # within a quoted field still
        try:
            text = b"\n".join(line.content or b"" for line in self._held).decode()
            # Line ends in it are quoted: an unquoted one would have ended the record.
            cells = next(csv.reader([text], strict=True))
        except UnicodeDecodeError:
            return self._abandon("it is not UTF-8", waiting)
        except csv.Error as error:
            if str(error) == "unexpected end of data":
                return None
            return self._abandon(f"it is not CSV ({error})", waiting)
        number = self._held[0].number
        self._release()
        return self._row(number, cells)

    def _abandon(self, why: str, waiting: deque[Line]) -> Entry:
        """Give up on the record's first line alone: those after it may be good records."""
        first, *others = self._held
        waiting.extendleft(reversed(others))
        self._release()
        if self._columns is None:
            raise HeaderError(f"the header cannot be read: {why}")
        return Bad(first.number, why)

    def _release(self) -> None:
        self._held, self._size = [], 0

    def _row(self, number: int, cells: list[str]) -> Entry | None:
        if self._columns is None:
            self._columns = _Columns(cells)
            return None
        return self._columns.entry(number, cells)


_PLACES: dict[str, tuple[str, ...]] = {
    "id": ("id",),
    "email": ("addresses", "email"),
    "sms": ("addresses", "sms"),
    "webhook_url": ("addresses", "webhook", "url"),
    "apprise_url": ("addresses", "apprise", "url"),
    "locale": ("locale",),
    "time_zone": ("time_zone",),
    "groups": ("groups",),
}
_ATTRIBUTE = re.compile(r"attributes\.([A-Za-z_][A-Za-z0-9_]{0,63})")


class _Columns:
    """A checked header: where in a recipient each cell goes."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = [name.strip() for name in names]
        self._places = [_place(name) for name in self._names]
        if "id" not in self._names:
            raise HeaderError("the column 'id' is missing")
        if len(set(self._names)) != len(self._names):
            twice = next(n for n in self._names if self._names.count(n) > 1)
            raise HeaderError(f"the column {twice[:80]!r} is there twice")

    def entry(self, number: int, cells: Sequence[str]) -> Entry:
        """The recipient of one row. An empty cell says nothing."""
        if len(cells) != len(self._places):
            return Bad(number, f"expected {len(self._places)} columns, found {len(cells)}")
        document: dict[str, Any] = {}
        for place, cell in zip(self._places, cells, strict=True):
            if cell:
                _put(document, place, cell)
        if "groups" in document:
            names = (name.strip() for name in document["groups"].split(";"))
            document["groups"] = [name for name in names if name]
        return _recipient(number, document)


def _place(name: str) -> tuple[str, ...]:
    attribute = _ATTRIBUTE.fullmatch(name)
    if attribute:
        return ("attributes", attribute[1])
    if name not in _PLACES:
        known = ", ".join([*_PLACES, "attributes.NAME"])
        commas = ", separated by commas" if ";" in name or "\t" in name else ""
        raise HeaderError(f"there is no column {name[:80]!r}; columns are {known}{commas}")
    return _PLACES[name]


def _put(document: dict[str, Any], place: Sequence[str], cell: str) -> None:
    *parents, last = place
    for parent in parents:
        document = document.setdefault(parent, {})
    document[last] = cell
