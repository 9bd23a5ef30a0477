"""A lane of the worker without a broker: messages are handed over, and sends answer by script."""

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

from opentelemetry.trace import SpanContext
from tests.support.deliveries import GRACE
from tests.support.notifications import new_notification

from fogbell.broker import Ids, Received
from fogbell.identity import delivery_id
from fogbell.model.content import Content
from fogbell.model.delivery import Claimed, NewDelivery
from fogbell.model.notification import Notification
from fogbell.model.outcome import Attempt, Outcome, Reply
from fogbell.model.status import Channel, Lane, NotificationStatus
from fogbell.policy import RetryPolicy
from fogbell.store import notifications
from fogbell.store.database import Database
from fogbell.store.notifications import Accept
from fogbell.store.records import Record
from fogbell_worker.lane import LaneRunner
from fogbell_worker.lane_settings import LaneSettings
from fogbell_worker.loading import Loader
from fogbell_worker.recording import Recorder
from fogbell_worker.sending import Work

ACCEPTED = Reply(Outcome.ACCEPTED, code="250")
CONTENT = Content.model_validate(
    {"email": {"subject": "Fog", "text": "Bell."}, "webhook": {"type": "fog"}}
)
Answer = Callable[[Work], Reply | Awaitable[Reply]]


@dataclass
class Seen:
    """An observer of records: what was stored, and what found its claim gone."""

    stored: list[Record] = field(default_factory=list)
    gone: list[Record] = field(default_factory=list)

    def recorded(self, record: Record, now: datetime) -> None:  # noqa: ARG002 - the shape
        self.stored.append(record)

    def lost(self, record: Record) -> None:
        self.gone.append(record)


@dataclass
class ScriptedSender:
    """A `ChannelSender` that answers as ``answer`` says."""

    answer: Answer = lambda _: ACCEPTED
    channel: Channel = Channel.EMAIL
    send_timeout: float = 0.5
    sent: list[Claimed] = field(default_factory=list)
    addresses: list[str | None] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    @property
    def ids(self) -> list[UUID]:
        return [delivery.id for delivery in self.sent]

    async def send(self, work: Work) -> Attempt:
        started = datetime.now(UTC)
        self.sent.append(work.delivery)
        self.addresses.append(work.addresses.email)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            answer = self.answer(work)
            reply = await answer if inspect.isawaitable(answer) else answer
        finally:
            self.at_once -= 1
        return Attempt("script", started, datetime.now(UTC), reply)

    async def close(self) -> None:
        """Nothing is held."""


class Window:
    """What of a channel's messages is finished, by tag; ``over`` as of a lost connection."""

    def __init__(self) -> None:
        self.over = False
        self._events: list[asyncio.Event] = []

    def message(
        self,
        ids: Iterable[UUID],
        *,
        alone: bool,
        chunk: str | None,
        published_in: SpanContext | None = None,
    ) -> tuple[Received, asyncio.Event]:
        self._events.append(asyncio.Event())
        tag, itself = len(self._events) - 1, cast("Any", self)
        return Received(Ids(tuple(ids), alone, chunk), tag, itself, published_in), self._events[-1]

    def finish(self, tag: int) -> None:
        assert not self._events[tag].is_set(), "a message is finished once"
        self._events[tag].set()


@dataclass
class RunningLane:
    """A lane at work. ``hand`` gives it a message and returns what is set once it is finished.

    ``published_in`` is the span that published the message.
    """

    runner: LaneRunner
    recorder: Recorder
    seen: Seen
    window: Window = field(default_factory=Window)

    def hand(
        self,
        ids: Iterable[UUID],
        *,
        alone: bool = False,
        chunk: str | None = None,
        published_in: SpanContext | None = None,
    ) -> asyncio.Event:
        message, finished = self.window.message(
            ids, alone=alone, chunk=chunk, published_in=published_in
        )
        self.runner.receive(message)
        return finished

    async def work(self, *ids: UUID, alone: bool = False, chunk: str | None = None) -> None:
        """Hand a message over and wait until it is finished."""
        async with asyncio.timeout(20):
            await self.hand(ids, alone=alone, chunk=chunk).wait()


@contextlib.asynccontextmanager
async def lane(
    db: Database,
    sender: ScriptedSender,
    *,
    one_alone: asyncio.Lock | None = None,
    gather: float = 0.0,
    **bounds: Any,
) -> AsyncIterator[RunningLane]:
    """Start a lane with ``bounds`` of `LaneSettings`; it is stopped at the end of the block.

    ``gather`` is the recorder's.
    """
    settings: dict[str, Any] = {
        "channel": sender.channel, "lane": Lane.BULK, "batch": 200, "batches": 2, "slots": 10,
        "lease": 60, "margin": 1,
    }  # fmt: skip
    seen = Seen()
    recorder = Recorder(db, RetryPolicy(), seen, gather=gather, jitter=lambda: 0.5)
    runner = LaneRunner(
        db,
        sender,
        Loader(db),
        recorder,
        LaneSettings(**(settings | bounds)),
        one_alone or asyncio.Lock(),
    )
    runner.start()
    try:
        yield RunningLane(runner, recorder, seen)
    finally:
        await runner.stop()
        await recorder.close()


async def posted(
    db: Database,
    number: int = 1,
    *,
    host: str = "example.org",
    chunk: str | None = None,
    **fields: Any,
) -> list[UUID]:
    """Store a notification to ``number`` people who are not in the directory; its deliveries.

    Their addresses are at ``host``, their ``chunk`` is that one; ``fields`` are the notification's.
    """
    run: Notification = new_notification(
        **({"content": CONTENT, "lane": Lane.BULK, "created_at": db.clock.now()} | fields)
    )
    channel = run.channels[0]
    new = [replace(_inline(run, channel, f"~{n}", host), chunk=chunk) for n in range(number)]
    accept = Accept(run, new, None, NotificationStatus.SENDING)
    await notifications.accept(db, [accept], GRACE)
    return [delivery.id for delivery in new]


def _inline(run: Notification, channel: Channel, key: str, host: str) -> NewDelivery:
    mine = key[1:]
    addresses = {"email": f"{mine}@{host}", "webhook": {"url": f"https://{host}/{mine}"}}
    inline = {"addresses": addresses, "locale": None, "data": {}}
    id_ = delivery_id(run.id, key, channel)
    return NewDelivery(id_, run.id, key, channel, run.lane, inline=inline)
