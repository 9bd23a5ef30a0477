"""Bringing recipients in from NDJSON and CSV, as a stream and in constant memory.

Good records are imported, each bad one is reported by its line. Writes go out in batches, one in
flight while the next is read, so that of several records with one id the last stands.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.requests import ClientDisconnect

from fogbell.model.recipient import Recipient
from fogbell.store import recipients
from fogbell.store.database import Database, StoreUnavailableError
from fogbell_intake import problem_types as types
from fogbell_intake.limits import CHUNK_TIMEOUT
from fogbell_intake.problems import RETRY_UNAVAILABLE, Problem
from fogbell_intake.records import Bad, CsvRecords, Entry, HeaderError, LineSplitter, NdjsonRecords

NDJSON: Final = "application/x-ndjson"
CSV: Final = "text/csv"

BATCH = 500
"""Recipients in one write."""

ERRORS_LISTED = 1_000


@dataclass(slots=True)
class Report:
    """How an import ended."""

    imported: int = 0
    rejected: int = 0
    errors: list[Bad] = field(default_factory=list)

    def reject(self, bad: Bad) -> None:
        """Count ``bad``; the first `ERRORS_LISTED` are listed."""
        self.rejected += 1
        if len(self.errors) < ERRORS_LISTED:
            self.errors.append(bad)

    def document(self) -> dict[str, Any]:
        """The answer's body."""
        return {
            "imported": self.imported,
            "rejected": self.rejected,
            "errors": [{"line": bad.line, "detail": bad.detail} for bad in self.errors],
            "errors_truncated": self.rejected > len(self.errors),
        }


async def import_recipients(db: Database, chunks: AsyncIterator[bytes], kind: str) -> Report:
    """Import a stream of ``kind`` (`NDJSON` or `CSV`).

    Raises a `Problem`: 422 for a CSV header that will not do (nothing is imported then), 408 for a
    stream that stalls, 400 for one that breaks off, 503 without MongoDB. After the last three,
    what was read before is imported, and repeating the whole is safe.
    """
    report = Report()
    writer = _Writer(db, report)
    try:
        async for entries in _entries(chunks, kind):
            for entry in entries:
                if isinstance(entry, Bad):
                    report.reject(entry)
                else:
                    await writer.add(entry)
        await writer.flush()
    except HeaderError as error:
        raise Problem(types.INVALID_IMPORT, f"Line 1: {error}.") from None
    except StoreUnavailableError:
        headers = {"Retry-After": RETRY_UNAVAILABLE}
        raise Problem(types.UNAVAILABLE, _stopped(report), headers=headers) from None
    except TimeoutError:
        raise Problem(types.REQUEST_TIMEOUT, _stopped(report)) from None
    except ClientDisconnect:
        raise Problem(types.MALFORMED_REQUEST, _stopped(report)) from None
    finally:
        await writer.settle()
    return report


def _stopped(report: Report) -> str:
    return (
        f"Stopped after {report.imported} recipients were imported. Repeat the whole: it is safe."
    )


async def _entries(chunks: AsyncIterator[bytes], kind: str) -> AsyncIterator[Iterator[Entry]]:
    """What each chunk completes, lazily."""
    lines = LineSplitter()
    records = CsvRecords() if kind == CSV else NdjsonRecords()
    while True:
        async with asyncio.timeout(CHUNK_TIMEOUT):
            chunk = await anext(chunks, None)
        if chunk is None:
            break
        yield (entry for line in lines.feed(chunk) for entry in records.feed(line))
    yield (entry for line in lines.finish() for entry in records.feed(line))
    yield records.finish()


class _Writer:
    """Writes batches, one at a time, while the next is gathered."""

    def __init__(self, db: Database, report: Report) -> None:
        self._db = db
        self._report = report
        self._batch: list[Recipient] = []
        self._in_flight: asyncio.Task[None] | None = None

    async def add(self, recipient: Recipient) -> None:
        self._batch.append(recipient)
        if len(self._batch) >= BATCH:
            await self._start()

    async def flush(self) -> None:
        """Write the rest; returns when all is stored."""
        await self._start()
        await self._landed()

    async def settle(self) -> None:
        """Leave nothing running, however the import ended."""
        if self._in_flight is not None:
            await asyncio.gather(self._in_flight, return_exceptions=True)

    async def _start(self) -> None:
        await self._landed()
        batch, self._batch = self._batch, []
        self._in_flight = asyncio.create_task(self._write(batch))
        # Let the write leave, and other requests have their turn.
        await asyncio.sleep(0)

    async def _landed(self) -> None:
        if self._in_flight is not None:
            task, self._in_flight = self._in_flight, None
            await task

    async def _write(self, batch: list[Recipient]) -> None:
        await recipients.put_many(self._db, batch)
        self._report.imported += len(batch)
