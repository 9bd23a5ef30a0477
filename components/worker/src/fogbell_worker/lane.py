"""One channel and lane: take messages, claim, send within the lease, record, acknowledge.

The place of a batch is taken before its messages are: what is claimed is soon sent. Each lane has
its own queue, slots and recorder, so that bulk never holds up transactional.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import structlog

from fogbell.broker import Received
from fogbell.model.delivery import Claimed
from fogbell.model.outcome import Attempt, Deferred
from fogbell.model.status import Channel, Lane
from fogbell.policy import last_start
from fogbell.store import claims
from fogbell.store.database import Database, StoreUnavailableError
from fogbell_worker.hosts import BUSY, Hosts, Turns
from fogbell_worker.loading import Loaded, Loader
from fogbell_worker.recording import FIRST_PAUSE, LONGEST_PAUSE, Recorder
from fogbell_worker.sending import ChannelSender, Work
from fogbell_worker.suppressing import suppress
from fogbell_worker.suspects import Suspects

log = structlog.get_logger(__name__)


PATIENCE = 2.0
"""Seconds for which a batch waits for what a busy receiver keeps waiting, once all else has begun,
and then for what is still being sent, before another one may begin in its place."""


@dataclass(frozen=True, slots=True)
class LaneSettings:
    """What bounds one lane of one channel.

    ``batch``: ids a claim; ``batches``: claims at once that are not sent yet; ``slots``: sends at
    once; ``lease`` and ``margin`` in seconds: no send starts unless it has surely ended, and can be
    recorded, before the lease does. ``per_host``: sends at once to one receiver of webhooks; None:
    any number.
    """

    channel: Channel
    lane: Lane
    batch: int
    batches: int
    slots: int
    lease: float
    margin: float
    per_host: int | None = None


@dataclass(slots=True)
class Batch:
    """Messages that are worked on together, and the ids they carry."""

    messages: list[Received]
    ids: list[UUID]
    alone: bool = False
    unfinished: bool = False
    has_place: bool = True

    def finish(self) -> None:
        """Acknowledge, unless something was given back: then the message must come again."""
        if not self.unfinished:
            for message in self.messages:
                message.finish()


@dataclass(slots=True)
class _Lease:
    token: str
    claimed: list[Claimed] = field(default_factory=list)
    last_start: float = 0.0


@dataclass(slots=True)
class _Sending:
    """How far a batch is: sends that have begun, records that are under way, and what came too
    late to be sent.
    """

    group: asyncio.TaskGroup
    lease: _Lease
    sends: list[asyncio.Task[None]] = field(default_factory=list)
    stored: "list[asyncio.Future[None]]" = field(default_factory=list)
    released: list[UUID] = field(default_factory=list)


class LaneRunner:
    """Works one queue until it is stopped.

    ``one_alone`` is shared by all lanes of the process: at most one delivery that has lost a lease
    is tried at a time. What waits for that holds nothing of the lane: no batch, no prefetch.
    """

    def __init__(
        self,
        db: Database,
        sender: ChannelSender,
        loader: Loader,
        recorder: Recorder,
        settings: LaneSettings,
        one_alone: asyncio.Lock,
    ) -> None:
        self._db = db
        self._sender = sender
        self._loader = loader
        self._recorder = recorder
        self._settings = settings
        self._one_alone = one_alone
        self._waiting: asyncio.Queue[Received] = asyncio.Queue()
        self._suspects = Suspects()
        self._held_over: Received | None = None
        self._batches = asyncio.Semaphore(settings.batches)
        self._slots = asyncio.Semaphore(settings.slots)
        self._turn = asyncio.Lock()
        self._hosts = Hosts(settings.per_host)
        self._under_way: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    def receive(self, message: Received) -> None:
        """Take a message from the consumer; its prefetch bounds how many wait here.

        What is to be tried alone is acknowledged at once, since its turn may be far off. Should
        this process end before that, the sweep publishes it again.
        """
        if message.ids.alone:
            self._suspects.add(message.ids.ids)
            message.finish()
        else:
            self._waiting.put_nowait(message)

    def start(self) -> None:
        """Begin to work."""
        self._tasks = [asyncio.create_task(run()) for run in (self._run, self._run_alone)]

    async def stop(self) -> None:
        """Start no more sends, wait for those under way, and give the rest back unsent."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._batches.acquire()
            self._begin(await self._gathered())

    async def _run_alone(self) -> None:
        """What has lost a lease is tried with no other suspect beside it in the whole process: a
        crash then blames one delivery, not its neighbours.
        """
        while True:
            suspect = await self._suspects.next()
            await self._one_alone.acquire()
            self._begin(Batch([], [suspect], alone=True))

    def _begin(self, batch: Batch) -> None:
        """Work on ``batch``; its place is free again at the latest when that has ended."""
        task = asyncio.create_task(self._guarded(batch))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _guarded(self, batch: Batch) -> None:
        try:
            await self._work(batch)
        except Exception:
            # A defect of ours. The records are the truth: their leases end, the sweep takes them
            # up, and the messages must not fill the prefetch window for ever.
            log.exception("batch_failed", channel=self._settings.channel.value)
            batch.finish()
        finally:
            self._leave_place(batch)

    def _leave_place(self, batch: Batch) -> None:
        if batch.has_place:
            batch.has_place = False
            (self._one_alone if batch.alone else self._batches).release()

    async def _gathered(self) -> Batch:
        """One message, and whatever else waits already: a lone message never waits for company."""
        first = await self._next()
        batch = Batch([first], list(first.ids.ids))
        while not self._waiting.empty():
            following = self._waiting.get_nowait()
            if len(batch.ids) + len(following.ids.ids) > self._settings.batch:
                self._held_over = following
                break
            batch.messages.append(following)
            batch.ids.extend(following.ids.ids)
        return batch

    async def _next(self) -> Received:
        """The next message that still counts: those of an ended session come again."""
        first, self._held_over = self._held_over, None
        while first is None or first.stale:
            first = await self._waiting.get()
        return first

    async def _work(self, batch: Batch) -> None:
        lease = await self._claimed(batch)
        if lease.claimed:
            loaded = await self._loaded(lease.claimed)
            unsent = [self._recorder.unsent(record) for record in loaded.unsent]
            await self._send_all(loaded.works, lease, batch)
            await asyncio.gather(*unsent)
        batch.finish()

    async def _claimed(self, batch: Batch) -> _Lease:
        """Claim; while MongoDB is away hold the messages, and never take an error for a no."""
        pause, ids = FIRST_PAUSE, batch.ids
        span = timedelta(seconds=self._settings.lease)
        unsure: list[str] = []
        while True:
            lease = _Lease(claims.new_token())
            claimed_at = time.monotonic()
            try:
                for token in unsure:
                    await claims.release(self._db, ids, token)
                unsure.clear()
                lease.claimed = await claims.claim(
                    self._db, ids, lease.token, span, alone=batch.alone
                )
            except StoreUnavailableError as error:
                unsure.append(lease.token)
                channel = self._settings.channel.value
                log.warning("claim_waits_for_mongodb", channel=channel, error=str(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                lease.last_start = last_start(
                    claimed_at,
                    self._settings.lease,
                    self._sender.send_timeout,
                    self._settings.margin,
                )
                return lease

    async def _loaded(self, claimed: Sequence[Claimed]) -> Loaded:
        pause = FIRST_PAUSE
        while True:
            try:
                return await self._loader.load(claimed)
            except StoreUnavailableError:
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    async def _send_all(self, works: Sequence[Work], lease: _Lease, batch: Batch) -> None:
        """Send each, record what came of it, and give back what could not start in time."""
        turns = Turns(self._hosts, works, PATIENCE)
        async with asyncio.TaskGroup() as group:
            sending = _Sending(group, lease)
            async with self._turn_of(works, batch):
                for work in turns.at_once():
                    await self._start(work, sending)
            while (waited := await turns.next()) is not None:
                await self._start(waited, sending)
            self._put_back(turns.left, sending)
            if sending.sends and not batch.alone:
                await asyncio.wait(sending.sends, timeout=PATIENCE)
                self._leave_place(batch)
        self._recorder.flush()
        await asyncio.gather(*sending.stored)
        if sending.released:
            # At a shutdown the messages return to the queue for the next worker; in full swing the
            # sweep publishes the ids again, and the messages must not hold up the prefetch window.
            batch.unfinished = self._stopping
            await self._release(sending.released, lease.token)

    def _turn_of(
        self, works: Sequence[Work], batch: Batch
    ) -> contextlib.AbstractAsyncContextManager[None]:
        """Bulk's batches begin one after the other: while one is recorded the next one is sent.
        Mixed, all would end together, and wait for MongoDB together.

        Nothing else waits for a whole batch: no transactional delivery, and nothing that is tried
        alone, for whose end the whole process waits.
        """
        in_turn = self._settings.lane is Lane.BULK and not batch.alone and bool(works)
        return self._turn if in_turn else contextlib.nullcontext()

    async def _start(self, work: Work, sending: _Sending) -> None:
        """Begin to send, in a slot; what would end too late is left to be given back."""
        await self._slots.acquire()
        await self._recorder.caught_up()
        if self._stopping or time.monotonic() > sending.lease.last_start:
            self._slots.release()
            self._hosts.leave(work)
            sending.released.append(work.delivery.id)
        else:
            sending.sends.append(sending.group.create_task(self._send(work, sending)))

    def _put_back(self, works: Iterable[Work], sending: _Sending) -> None:
        """Their receivers have enough to do: later, and no attempt is counted."""
        busy = Deferred(BUSY, 0.0)
        sending.stored += (self._recorder.attempted(work.delivery, busy) for work in works)

    async def _send(self, work: Work, sending: _Sending) -> None:
        """Never raises: a defect in one send must not cancel those beside it."""
        try:
            sent = await self._sender.send(work)
        except Exception:
            log.exception("send_failed", delivery=str(work.delivery.id), left_to="lease")
            return
        finally:
            self._slots.release()
            self._hosts.leave(work)
        if isinstance(sent, Attempt) and sent.reply.suppress:
            await suppress(self._db, work, sent)
        sending.stored.append(self._recorder.attempted(work.delivery, sent))

    async def _release(self, ids: Sequence[UUID], token: str) -> None:
        log.info("released_unsent", deliveries=len(ids), channel=self._settings.channel.value)
        try:
            await claims.release(self._db, ids, token)
        except StoreUnavailableError:
            # Their lease ends by itself, and the sweep takes them up then.
            log.warning("release_left_to_lease", deliveries=len(ids))
