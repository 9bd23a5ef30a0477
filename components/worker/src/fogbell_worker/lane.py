"""One channel and lane: take messages, claim, send within the lease, record, acknowledge.

The place of a batch is taken before its messages are: what is claimed is soon sent. Each lane has
its own queue, slots and recorder, so that bulk never holds up transactional.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from opentelemetry.trace import SpanContext

from fogbell.broker import Received
from fogbell.model.delivery import Claimed
from fogbell.model.outcome import Attempt, Deferred
from fogbell.model.status import Lane
from fogbell.store.database import Database, StoreUnavailableError
from fogbell.telemetry import traces
from fogbell_worker.hosts import BUSY, Hosts, Turns
from fogbell_worker.lane_settings import LaneSettings
from fogbell_worker.leases import Lease, Leases
from fogbell_worker.loading import Loaded, Loader
from fogbell_worker.recording import FIRST_PAUSE, LONGEST_PAUSE, Recorder
from fogbell_worker.sending import ChannelSender, Work
from fogbell_worker.slots import Slots
from fogbell_worker.suppressing import suppress
from fogbell_worker.suspects import Suspects
from fogbell_worker.tracing import claim_span, deliver_span, tell_sent, trace_record

log = structlog.get_logger(__name__)


PATIENCE = 2.0
"""Seconds for which a batch waits for what a busy receiver keeps waiting, once all else has begun,
and then for what is still being sent, before another one may begin in its place."""


@dataclass(slots=True)
class Batch:
    """Messages that are worked on together, and the ids they carry; or one that is a ``chunk``.

    ``claim`` is the span in which they were claimed.
    """

    messages: list[Received]
    ids: list[UUID]
    alone: bool = False
    chunk: str | None = None
    claim: SpanContext | None = None
    unfinished: bool = False
    has_place: bool = True

    def finish(self) -> None:
        """Acknowledge, unless something was given back: then the message must come again."""
        if not self.unfinished:
            for message in self.messages:
                message.finish()


@dataclass(slots=True)
class _Sending:
    """How far a batch is: sends that have begun, records that are under way, and what came too
    late to be sent. ``unknown``: it is not known what came of a send. ``claim``: the claim's span.
    """

    group: asyncio.TaskGroup
    lease: Lease
    claim: SpanContext | None
    sends: list[asyncio.Task[None]] = field(default_factory=list)
    stored: "list[asyncio.Future[bool]]" = field(default_factory=list)
    released: list[UUID] = field(default_factory=list)
    unknown: bool = False


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
        self._leases = Leases(db, settings, sender.send_timeout)
        self._waiting: asyncio.Queue[Received] = asyncio.Queue()
        self._suspects = Suspects()
        self._held_over: Received | None = None
        self._batches = asyncio.Semaphore(settings.batches)
        self.slots = Slots(settings.slots)
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
        batch = Batch([first], list(first.ids.ids), chunk=first.ids.chunk)
        while batch.chunk is None and not self._waiting.empty():
            following = self._waiting.get_nowait()
            together = len(batch.ids) + len(following.ids.ids)
            if following.ids.chunk is not None or together > self._settings.batch:
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
        lease, loaded = await self._claimed(batch)
        if lease.claimed:
            unsent = [self._recorder.unsent(record) for record in loaded.unsent]
            sending = await self._send_all(loaded.works, lease, batch)
            recorded = [*await asyncio.gather(*sending.stored), *await asyncio.gather(*unsent)]
            # At a shutdown the messages return to the queue for the next worker; in full swing the
            # sweep publishes the ids again, and the messages must not hold up the prefetch window.
            batch.unfinished = self._stopping and bool(sending.released)
            await self._leases.end(
                lease,
                sending.released,
                recorded=all(recorded) and not sending.unknown,
                comes_again=batch.unfinished,
            )
        else:
            await self._leases.end(lease, (), recorded=True, comes_again=False)
        batch.finish()

    async def _claimed(self, batch: Batch) -> tuple[Lease, Loaded]:
        with claim_span(batch.messages, len(batch.ids), self._settings) as span:
            batch.claim = traces.here()
            lease = await self._leases.take(batch.ids, alone=batch.alone, chunk=batch.chunk)
            span.set_attribute("fogbell.claimed", len(lease.claimed))
            return lease, await self._loaded(lease.claimed) if lease.claimed else Loaded()

    async def _loaded(self, claimed: Sequence[Claimed]) -> Loaded:
        pause = FIRST_PAUSE
        while True:
            try:
                return await self._loader.load(claimed)
            except StoreUnavailableError:
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    async def _send_all(self, works: Sequence[Work], lease: Lease, batch: Batch) -> _Sending:
        """Send each; returns once all have ended, and what came of them is to be recorded."""
        turns = Turns(self._hosts, works, PATIENCE)
        async with asyncio.TaskGroup() as group:
            sending = _Sending(group, lease, batch.claim)
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
        return sending

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
        await self.slots.acquire()
        await self._recorder.caught_up()
        if self._stopping or time.monotonic() > sending.lease.last_start:
            self.slots.release()
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
        with deliver_span(work, sending.claim) as span:
            try:
                sent = await self._sender.send(work)
            except Exception as error:
                log.exception("send_failed", delivery=str(work.delivery.id), left_to="lease")
                traces.failed(span, type(error).__qualname__)
                sending.unknown = True
                return
            finally:
                self.slots.release()
                self._hosts.leave(work)
            tell_sent(span, sent)
            if isinstance(sent, Attempt) and sent.reply.suppress:
                await suppress(self._db, work, sent)
            recorded = self._recorder.attempted(work.delivery, sent)
            trace_record(recorded)
            sending.stored.append(recorded)
