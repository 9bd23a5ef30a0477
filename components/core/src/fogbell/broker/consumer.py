"""Consuming ids: one channel a queue, acknowledgements in batches (protocol step 6)."""

import asyncio
import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aiormq.abc import AbstractChannel as UnderlayChannel
from opentelemetry.trace import SpanContext

from fogbell.broker.acks import AckTracker
from fogbell.broker.connection import BrokerUnavailableError, Supervision, broker_errors
from fogbell.broker.messages import Ids, UndecodableMessageError, decode_ids
from fogbell.broker.topology import Topology, declare
from fogbell.telemetry import traces

log = structlog.get_logger(__name__)

ACK_INTERVAL = 0.02
"""Seconds for which finished messages are gathered into one acknowledgement."""


@dataclass(slots=True)
class _Session:
    """One life of a channel; its delivery tags mean nothing on the next."""

    underlay: UnderlayChannel
    tracker: AckTracker = field(default_factory=AckTracker)
    finished: asyncio.Event = field(default_factory=asyncio.Event)
    pressing: asyncio.Event = field(default_factory=asyncio.Event)
    prefetch: int = 1
    unsent: int = 0
    over: bool = False

    def finish(self, tag: int) -> None:
        """Note that ``tag`` can be acknowledged: soon, or at once if the window is half used up."""
        self.tracker.finish(tag)
        self.unsent += 1
        self.finished.set()
        if self.unsent * 2 >= self.prefetch:
            self.pressing.set()

    async def flush(self) -> None:
        """Acknowledge what is finished."""
        self.unsent = 0
        self.pressing.clear()
        acks = self.tracker.take()
        if acks.up_to is not None:
            await self.underlay.basic_ack(acks.up_to, multiple=True)
        for tag in acks.single:
            await self.underlay.basic_ack(tag)


@dataclass(frozen=True, slots=True, eq=False)
class Received:
    """One message: ids to work on, to be finished exactly once.

    ``published_in`` is the span in which it was published, where that is traced.
    """

    ids: Ids
    _tag: int
    _session: _Session
    published_in: SpanContext | None = None

    def finish(self) -> None:
        """Everything in it is recorded (or dropped with reason): acknowledge."""
        self._session.finish(self._tag)

    @property
    def stale(self) -> bool:
        """Whether its session has ended: the broker delivers it again."""
        return self._session.over


class Consumer:
    """Consumes one queue, hands each message on, and comes back after every loss.

    ``receive`` is called for each message and must not block; at most ``prefetch`` messages are
    unfinished at once. ``count_undecodable`` is called for what goes to the dead letters. What is
    unfinished when the consumer closes returns to the queue.
    """

    def __init__(
        self,
        uri: str,
        topology: Topology,
        queue: str,
        *,
        prefetch: int,
        receive: Callable[[Received], None],
        count_undecodable: Callable[[], None],
    ) -> None:
        self._topology = topology
        self._queue = queue
        self._prefetch = prefetch
        self._receive = receive
        self._count_undecodable = count_undecodable
        self._supervision = Supervision(uri, f"{queue}-consumer", self._consume)
        self._session: _Session | None = None
        self._tag: str | None = None
        self._paused = asyncio.Event()
        self.consuming = asyncio.Event()

    def start(self) -> None:
        """Begin to connect and consume, in the background."""
        self._supervision.start()

    async def pause(self) -> None:
        """Take no more messages, for good; those at hand can still be finished and acknowledged."""
        self._paused.set()
        self.consuming.clear()
        session, tag = self._session, self._tag
        self._tag = None
        if session is None or tag is None:
            return
        try:
            with broker_errors():
                async with asyncio.timeout(ACK_INTERVAL * 100):
                    await session.underlay.basic_cancel(tag)
        except BrokerUnavailableError as error:
            log.warning("cancel_failed", queue=self._queue, error=str(error))

    async def close(self) -> None:
        """Acknowledge what is finished, then disconnect: the rest returns to the queue."""
        if self._session is not None:
            try:
                with broker_errors():
                    await self._session.flush()
            except BrokerUnavailableError as error:
                log.warning("last_ack_failed", queue=self._queue, error=str(error))
        await self._supervision.close()

    async def _consume(self, connection: AbstractConnection) -> None:
        await declare(connection, self._topology, [self._queue])
        channel = await connection.channel(publisher_confirms=False)
        await channel.set_qos(prefetch_count=self._prefetch)
        underlay = await channel.get_underlay_channel()
        session = self._session = _Session(underlay, prefetch=self._prefetch)
        try:
            await self._take(channel, session)
            await self._until_over(channel, session)
        finally:
            self.consuming.clear()
            session.over = True
            self._session = None

    async def _take(self, channel: AbstractChannel, session: _Session) -> None:
        """Ask for messages, unless paused: before, or while the broker answers."""
        if self._paused.is_set():
            return
        queue = await channel.get_queue(self._queue, ensure=False)
        self._tag = await queue.consume(functools.partial(self._on_message, session))
        if self._paused.is_set():
            await self.pause()
        else:
            self.consuming.set()

    async def _until_over(self, channel: AbstractChannel, session: _Session) -> None:
        """Acknowledge in batches until the channel closes or the broker cancels the consumer."""
        over = asyncio.Event()
        session.underlay.on_consumer_cancel_callbacks.add(lambda _frame: over.set())
        closed = asyncio.ensure_future(channel.closed())
        closed.add_done_callback(lambda _future: over.set())
        acknowledging = asyncio.create_task(self._acknowledge(session))
        acknowledging.add_done_callback(lambda _task: over.set())
        try:
            await over.wait()
            log.warning("consumer_ended", queue=self._queue)
            if acknowledging.done():
                acknowledging.result()
        finally:
            acknowledging.cancel()
            closed.cancel()

    async def _acknowledge(self, session: _Session) -> None:
        while True:
            await session.finished.wait()
            session.finished.clear()
            await session.flush()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(session.pressing.wait(), ACK_INTERVAL)

    async def _on_message(self, session: _Session, message: AbstractIncomingMessage) -> None:
        tag = message.delivery_tag
        assert tag is not None
        try:
            ids = decode_ids(message.body)
        except UndecodableMessageError as error:
            self._count_undecodable()
            log.warning("undecodable_message", queue=self._queue, expected=str(error))
            # A loss in between is no matter: the message comes again.
            with contextlib.suppress(BrokerUnavailableError), broker_errors():
                await session.underlay.basic_reject(tag, requeue=False)
                # Only now, or an acknowledgement of all tags below could overtake it.
                session.tracker.settle(tag)
            return
        self._receive(Received(ids, tag, session, traces.extracted(message.headers)))
