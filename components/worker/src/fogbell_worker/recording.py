"""Judging attempts and writing them down in batches (protocol steps 5 and 7).

Records are gathered while a write is under way, never until a batch is complete: what was sent
and is not yet recorded is what a kill repeats.
"""

import asyncio
import contextlib
import contextvars
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

import structlog

from fogbell.model.delivery import Claimed
from fogbell.model.outcome import Attempt, Deferred, Outcome
from fogbell.model.status import DeliveryStatus
from fogbell.policy import ACCEPTED, RetryPolicy, Standing, Verdict, expired, judge, judge_deferred
from fogbell.store import notifications, records
from fogbell.store.database import Database, StoreUnavailableError
from fogbell.store.notifications import Ending
from fogbell.store.records import Record, Recorded
from fogbell.telemetry import traces

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 1000
LONGEST_WRITE = 0.1
"""Seconds after which a write counts as late: until it is through, no further send starts, since
what is sent and not recorded is what a kill repeats."""

TRIES_OF_A_DEFECT = 3
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
_UNENDED = Ending(None, None)


class Observer(Protocol):
    """Told of every record once it is stored: metrics hang here, not in the loop."""

    def recorded(self, record: Record, now: datetime) -> None:
        """``record`` was applied."""

    def lost(self, record: Record) -> None:
        """``record`` found its claim gone and changed nothing."""


def _context() -> contextvars.Context | None:
    return contextvars.copy_context() if traces.are_on() else None


@dataclass(slots=True)
class _Entry:
    """What is to be recorded: what came of a send, to be judged, or a verdict reached without.

    ``within`` is where it was handed over, while traces are on: what is logged of it belongs to the
    span of its send.
    """

    delivery: Claimed
    sent: Attempt | Deferred | None
    verdict: Verdict | None
    done: "asyncio.Future[bool]"
    within: contextvars.Context | None = field(default_factory=_context)

    @property
    def attempt(self) -> Attempt | None:
        return self.sent if isinstance(self.sent, Attempt) else None

    @property
    def undelivered(self) -> bool:
        """Whether it may be tried again, unless its notification has ended."""
        if isinstance(self.sent, Attempt):
            return self.sent.reply.outcome in (Outcome.TRANSIENT, Outcome.AMBIGUOUS)
        return self.sent is not None


class Recorder:
    """Gathers what came of deliveries and records it.

    ``gather`` is how many seconds to wait for company before a write: zero in the transactional
    lane, a part of the record interval in bulk, where a hundred at once cost little more than one.
    `flush` ends the wait: a batch is complete.
    """

    def __init__(
        self,
        db: Database,
        policy: RetryPolicy,
        observer: Observer,
        *,
        gather: float,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._db = db
        self._policy = policy
        self._observer = observer
        self._gather = gather
        self._jitter = jitter
        self._entries: list[_Entry] = []
        self._wake = asyncio.Event()
        self._flushed = asyncio.Event()
        self._writing_since: float | None = None
        self._written = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    def attempted(self, delivery: Claimed, sent: Attempt | Deferred) -> "asyncio.Future[bool]":
        """Record what came of a send; the future is done once it is stored: False if it cannot be,
        and is left to its lease.
        """
        return self._add(delivery, sent, None)

    def unsent(self, record: Record) -> "asyncio.Future[bool]":
        """Record a delivery that was settled without an attempt."""
        return self._add(record.delivery, None, record.verdict)

    def flush(self) -> None:
        """Write what there is as soon as no other write is under way."""
        if self._entries:
            self._flushed.set()

    async def caught_up(self) -> None:
        """Return once no write is late (`LONGEST_WRITE`): MongoDB is there, and keeps up."""
        while self.is_late():
            await self._written.wait()

    def is_late(self) -> bool:
        """Whether a write has been under way for longer than `LONGEST_WRITE`."""
        since = self._writing_since
        return since is not None and time.monotonic() - since > LONGEST_WRITE

    async def close(self) -> None:
        """Stop. What is not recorded by now is left to its lease; nobody may wait for it."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def _add(
        self, delivery: Claimed, sent: Attempt | Deferred | None, verdict: Verdict | None
    ) -> "asyncio.Future[bool]":
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._entries.append(_Entry(delivery, sent, verdict, done))
        self._wake.set()
        return done

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            if self._gather:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._gather):
                        await self._flushed.wait()
            taken, self._entries = self._entries[:MOST_AT_ONCE], self._entries[MOST_AT_ONCE:]
            if not self._entries:
                self._wake.clear()
                self._flushed.clear()
            await self._store(taken)

    async def _store(self, entries: Sequence[_Entry]) -> None:
        """Write until it is written: nothing is acknowledged that is not recorded."""
        self._writing_since = time.monotonic()
        self._written.clear()
        try:
            await self._store_whole(entries)
        except Exception:
            # A full disk, or a defect: ended here, nothing would be recorded any more.
            log.exception("record_failed", records=len(entries))
            await self._store_one_by_one(entries)
        finally:
            self._writing_since = None
            self._written.set()

    async def _store_whole(self, entries: Sequence[_Entry]) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                judged = await self._judged(entries)
                outcome = await records.record(self._db, judged)
            except StoreUnavailableError as error:
                log.warning("record_waits_for_mongodb", records=len(entries), error=str(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                break
        now = self._db.clock.now()
        for entry, record in zip(entries, judged, strict=True):
            if entry.within is None:
                self._tell(record, outcome, now)
            else:
                entry.within.run(self._tell, record, outcome, now)
        for entry in entries:
            if not entry.done.done():
                entry.done.set_result(True)

    async def _store_one_by_one(self, entries: Sequence[_Entry]) -> None:
        """MongoDB refuses something (a full disk, a defect of ours).

        One record that cannot be written must not hold up the others, nor end the recorder in
        silence. What cannot be written is left to its lease.
        """
        for entry in entries:
            for tries in range(TRIES_OF_A_DEFECT):
                try:
                    await self._store_whole([entry])
                    break
                except Exception:
                    log.exception("record_refused", delivery=str(entry.delivery.id))
                    await asyncio.sleep(FIRST_PAUSE * 2**tries)
            if not entry.done.done():
                entry.done.set_result(False)

    async def _judged(self, entries: Sequence[_Entry]) -> list[Record]:
        """Verdicts for the attempts: cancelled and expired are looked up for those that failed."""
        failed = {e.delivery.notification_id for e in entries if e.undelivered}
        endings = await notifications.endings(self._db, failed) if failed else {}
        now = self._db.clock.now()
        return [
            Record(e.delivery, e.verdict or self._judge(e, endings, now), e.attempt)
            for e in entries
        ]

    def _judge(self, entry: _Entry, endings: Mapping[UUID, Ending], now: datetime) -> Verdict:
        delivery, sent = entry.delivery, entry.sent
        assert sent is not None
        if isinstance(sent, Attempt) and sent.reply.outcome is Outcome.ACCEPTED:
            return ACCEPTED
        ending = endings.get(delivery.notification_id, _UNENDED)
        standing = Standing(
            channel=delivery.channel,
            attempt=delivery.attempt_count + 1,
            age=(now - delivery.since).total_seconds(),
            cancelled=ending.cancelled_at is not None,
            expired=expired(ending.expires_at, now),
        )
        if isinstance(sent, Deferred):
            return judge_deferred(sent, standing, self._policy, self._jitter())
        return judge(sent.reply, standing, self._policy, self._jitter())

    def _tell(self, record: Record, outcome: Recorded, now: datetime) -> None:
        if record.delivery.id in outcome.lost and record.delivery.id not in outcome.late:
            self._observer.lost(record)
            log.warning("claim_lost", delivery=str(record.delivery.id))
        else:
            self._observer.recorded(record, now)
            _log(record)


def _log(record: Record) -> None:
    """What became of one delivery, to be found by its id; the usual only where debug is asked."""
    usual = record.status is DeliveryStatus.DELIVERED
    if usual and not logging.getLogger(__name__).isEnabledFor(logging.DEBUG):
        return  # structlog would build the line first
    reply = record.attempt.reply if record.attempt else None
    tell = log.debug if usual else log.info
    tell(
        "recorded",
        delivery=str(record.delivery.id),
        notification=str(record.delivery.notification_id),
        status=record.status.value,
        reason=record.verdict.reason,
        code=reply.code if reply else None,
        enhanced_code=reply.enhanced_code if reply else None,
    )
