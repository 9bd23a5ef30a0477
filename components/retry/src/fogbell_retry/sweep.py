"""One sweep: everything whose time has come, whatever the reason, goes back to its queue.

Overlapping sweeps do no harm: each release is a compare-and-set, and a message too many finds
nothing to claim.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import structlog

from fogbell.broker import BrokerUnavailableError, Publisher, Topology
from fogbell.model.status import PUSH_CHANNELS, Channel, Lane
from fogbell.policy import next_grace
from fogbell.replay import ReplayTimes, put_back
from fogbell.store import (
    cancelling,
    chunks,
    expansions,
    progress,
    replaying,
    sweep_state,
    sweeping,
)
from fogbell.store.chunks import Chunk
from fogbell.store.claims import new_token
from fogbell.store.database import Database, StoreUnavailableError
from fogbell.store.progress import Unsettled
from fogbell.store.sweep_state import Marks
from fogbell.store.sweeping import Due
from fogbell.store.transactions import ContendedError

log = structlog.get_logger(__name__)

PAGE = 1_000
PAGES_A_QUEUE = 100
"""One queue's backlog must not keep a sweep from the others: the rest comes at the next."""

QUEUES = [(lane, c) for lane in (Lane.TRANSACTIONAL, Lane.BULK) for c in sorted(PUSH_CHANNELS)]

EXPANSIONS = 200
"""Messages that may wait to be expanded: more than all workers expand until the next sweep."""

SETTLE_PAGE = 500
CHUNKS, PAGES_OF_CHUNKS = 100, 10
"""Leases on chunks that are read at once, and how often in one sweep."""

CHANGES = 100
"""Cancellations and replays left half-way that one sweep goes on with."""

PAGES_A_CHANGE = 50
LATE_WRITES = timedelta(seconds=10)
"""How far behind the last watermark a scan starts: writes commit a little after their time."""


@dataclass(frozen=True, slots=True)
class SweepSettings:
    """Durations of the protocol; ``enough``: messages in a queue that need no company."""

    grace: timedelta
    grace_cap: timedelta
    hold: timedelta
    lost_leases_limit: int
    enough: dict[Lane, int]
    settle_pause: timedelta
    settle_pause_cap: timedelta
    keep: timedelta


@dataclass(slots=True)
class Swept:
    """What one sweep did, by reason; until ``held_until`` overdue leases are left alone."""

    publish_lost: int = 0
    deferred: int = 0
    retry_due: int = 0
    lease_expired: int = 0
    expansions: int = 0
    replayed: int = 0
    settled: int = 0
    held_until: datetime | None = None


class Observer(Protocol):
    """Told of what sweeps release."""

    def released(self, reason: str, count: int) -> None:
        """``count`` deliveries went back to their queue for ``reason``."""

    def unclaimed(self, channel: Channel, lane: Lane, count: int) -> None:
        """No worker had claimed ``count`` deliveries of a queue within their grace."""


@dataclass(slots=True)
class Sweeper:
    """Sweeps again and again; keeps watermarks between its sweeps."""

    db: Database
    publisher: Publisher
    topology: Topology
    settings: SweepSettings
    observer: Observer
    _watermarks: Marks = field(default_factory=dict)
    _leases_ended: Marks | None = None

    async def sweep(self) -> Swept:
        """One pass over every queue, the expansions and the unsettled notifications."""
        await self.db.ping()
        swept = Swept(held_until=await sweep_state.observe(self.db, self.settings.hold))
        if swept.held_until is None:
            await self._end_leases(swept)
            await self._end_chunks(swept)
        for lane, channel in QUEUES:
            await self._sweep_queue(lane, channel, swept)
        await self._sweep_expansions(swept)
        await self._sweep_cancelled()
        await self._sweep_replays(swept)
        await self._settle(swept)
        await sweep_state.finished(self.db)
        return swept

    async def due_since(self) -> dict[tuple[Channel, Lane], datetime | None]:
        """Since when something of each queue has been due; None where nothing is."""
        now = self.db.clock.now()
        return {
            (channel, lane): await sweeping.oldest_due(
                self.db, lane, channel, self._watermarks.get((lane, channel)), now
            )
            for lane, channel in QUEUES
        }

    async def _end_chunks(self, swept: Swept) -> None:
        """End the leases on chunks that nobody has ended in time, with what is not recorded."""
        holder = new_token()
        for _ in range(PAGES_OF_CHUNKS):
            overdue = await chunks.overdue(self.db, CHUNKS)
            for lease in overdue:
                if await chunks.seize(self.db, lease, holder):
                    await self._end_chunk(lease.chunk, holder, swept)
            if len(overdue) < CHUNKS:
                return

    async def _end_chunk(self, chunk: Chunk, holder: str, swept: Swept) -> None:
        if left := await chunks.unrecorded(self.db, chunk):
            await self._expire(chunk.lane, chunk.channel, left, swept, chunk.token)
        await chunks.end(self.db, chunk.token, holder)

    async def _end_leases(self, swept: Swept) -> None:
        """End what has ended since the last sweep that could: that takes no broker, and no room.

        What is due besides is left out by time: a backlog of millions is not read for it.
        """
        if self._leases_ended is None:
            self._leases_ended = await sweep_state.leases_ended(self.db)
        reached: Marks = {}
        for queue in QUEUES:
            until = self.db.clock.now()
            if await self._end_leases_of(*queue, self._leases_ended.get(queue), until, swept):
                reached[queue] = until - LATE_WRITES
        self._leases_ended |= reached
        await sweep_state.note_leases_ended(self.db, reached)

    async def _end_leases_of(
        self, lane: Lane, channel: Channel, since: datetime | None, until: datetime, swept: Swept
    ) -> bool:
        """Whether all have been ended."""
        for _ in range(PAGES_A_QUEUE):
            overdue = await sweeping.overdue_leases(
                self.db, lane, channel, since=since, until=until, limit=PAGE
            )
            if overdue:
                await self._expire(lane, channel, overdue, swept)
            if len(overdue) < PAGE:
                return True
        return False

    async def _expire(
        self,
        lane: Lane,
        channel: Channel,
        overdue: list[UUID],
        swept: Swept,
        chunk: str | None = None,
    ) -> None:
        """End leases, and publish what has lost them where there is room; else it is due at once,
        for the first sweep that finds room.
        """
        room = not await self._has_enough(lane, channel)
        expired = await sweeping.expire_leases(
            self.db,
            overdue,
            self.settings.grace if room else timedelta(0),
            self.settings.lost_leases_limit,
            chunk,
        )
        if room:
            await self.publisher.publish(channel, lane, overdue, alone=True)
        swept.lease_expired += expired
        self.observer.released("lease_expired", expired)

    async def _sweep_queue(self, lane: Lane, channel: Channel, swept: Swept) -> None:
        until = self.db.clock.now()
        since = self._watermarks.get((lane, channel))
        for _ in range(PAGES_A_QUEUE):
            if await self._has_enough(lane, channel):
                return
            due = await sweeping.due_page(
                self.db,
                lane,
                channel,
                since=since,
                until=until,
                limit=PAGE,
                leases=swept.held_until is None,
            )
            await self._release(lane, channel, due, swept)
            if not due.full:
                break
        else:
            return
        if swept.held_until is None:
            self._watermarks[lane, channel] = until - LATE_WRITES

    async def _has_enough(self, lane: Lane, channel: Channel) -> bool:
        """Whether the queue holds work enough, or cannot be reached: then nothing is released."""
        enough = self.settings.enough[lane]
        return await self._depth(self.topology.queue(channel, lane), unknown=enough) >= enough

    async def _depth(self, queue: str, *, unknown: int) -> int:
        """How many messages wait in it; ``unknown`` where it cannot be reached."""
        try:
            return await self.publisher.depth(queue)
        except BrokerUnavailableError:
            return unknown

    async def _release(self, lane: Lane, channel: Channel, due: Due, swept: Swept) -> None:
        settings = self.settings
        if due.overdue:
            await self._expire(lane, channel, due.overdue, swept)
        leased = await chunks.void(self.db, due.chunked)
        held = [i for token in leased for i in due.chunked[token]]
        free = [i for token in due.chunked.keys() - leased for i in due.chunked[token]]
        together = due.together + free
        waiting = together + due.alone
        moved = waiting + held
        if not moved:
            return
        await sweeping.move_forward(self.db, moved, settings.grace, settings.grace_cap, leased)
        if together:
            await self.publisher.publish(channel, lane, together)
        if due.alone:
            await self.publisher.publish(channel, lane, due.alone, alone=True)
        lost = len(waiting) - due.failed - due.deferred
        swept.publish_lost += lost
        swept.deferred += due.deferred
        swept.retry_due += due.failed
        self.observer.released("publish_lost", lost)
        self.observer.unclaimed(channel, lane, lost)
        self.observer.released("deferred", due.deferred)
        self.observer.released("retry_due", due.failed)

    async def _sweep_expansions(self, swept: Swept) -> None:
        """Queue what is due, as far as there is room: what waits there is due again and again, and
        would be queued once more each time.
        """
        until = self.db.clock.now()
        due = await expansions.due(self.db, until, EXPANSIONS)
        if due:
            waiting = await self._depth(self.topology.expansion, unknown=EXPANSIONS)
            due = due[: max(EXPANSIONS - waiting, 0)]
        if not due:
            return
        await expansions.postpone(self.db, due, until, self.settings.grace)
        for notification in due:
            await self.publisher.publish_expansion(notification)
        swept.expansions += len(due)
        self.observer.released("expansion", len(due))

    async def _sweep_cancelled(self) -> None:
        """Go on with what a process left half-way; a bounded part of it at each sweep."""
        for notification in await cancelling.due(self.db, self.db.clock.now(), CHANGES):
            done = await cancelling.settle(self.db, notification, timedelta(0), PAGES_A_CHANGE)
            if not done:
                await cancelling.postpone(self.db, notification)

    async def _sweep_replays(self, swept: Swept) -> None:
        settings = self.settings
        times = ReplayTimes(settings.grace, timedelta(0), settings.settle_pause)
        for replay in await replaying.due(self.db, self.db.clock.now(), CHANGES):
            try:
                done = await put_back(self.db, self.publisher, replay, times, PAGES_A_CHANGE)
            except ContendedError as error:
                log.warning(
                    "replay_waits", notification=str(replay.notification_id), error=str(error)
                )
                continue
            swept.replayed += done.deliveries
            self.observer.released("replay", done.deliveries)

    async def _settle(self, swept: Swept) -> None:
        until = self.db.clock.now()
        while True:
            candidates = await progress.due_for_settling(self.db, until, SETTLE_PAGE)
            for batch in progress.batches(candidates):
                swept.settled += await self._settle_batch(batch)
            if len(candidates) < SETTLE_PAGE:
                return

    async def _settle_batch(self, batch: list[Unsettled]) -> int:
        """How many of them are settled; those that cannot be counted do not keep up the others."""
        try:
            settled, _ = await progress.settle(self.db, batch, self._pause, self.settings.keep)
        except StoreUnavailableError as error:
            ids = [candidate.id for candidate in batch]
            # Raises as well where it is MongoDB that is away.
            await progress.postpone(self.db, ids, self.settings.settle_pause_cap)
            log.warning("not_counted", notifications=[str(i) for i in ids[:10]], error=str(error))
            return 0
        return len(settled)

    def _pause(self, looks: int) -> timedelta:
        """Look again soon at what is new, seldom at what has been waiting for long."""
        first, cap = self.settings.settle_pause, self.settings.settle_pause_cap
        return timedelta(seconds=next_grace(first.total_seconds(), looks, cap.total_seconds()))
