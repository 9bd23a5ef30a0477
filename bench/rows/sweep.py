"""``sweep``: one sweep that releases what is due, with more and more that is settled beside it."""

import asyncio
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

from pymongo import WriteConcern

from bench import subject
from bench.campaigns import Size
from bench.http import milliseconds
from bench.people import recipient_id, seed
from bench.plot import Plot
from bench.proof import ProofError, all_settled
from bench.sizes import Sizes
from bench.subject import NOOP, SHORT_CONTENT
from bench.values import FOGBELL, Aim, Case, Figures, Medians, Row, ratio
from fogbell.broker import Publisher, Topology
from fogbell.identity import delivery_id, uuid7
from fogbell.model.content import Content
from fogbell.model.delivery import NewDelivery
from fogbell.model.notification import Audience, Notification, Origin, OriginType
from fogbell.model.status import Channel, DeliveryStatus, Lane
from fogbell.store import deliveries, notifications
from fogbell.store.deliveries import delivery_document
from fogbell.store.notifications import Accept
from fogbell_retry.sweep import Sweeper, SweepSettings

_PAGE = 5_000
_INSERTING = 3

_SETTINGS = SweepSettings(
    grace=timedelta(seconds=30),
    grace_cap=timedelta(hours=1),
    hold=timedelta(0),
    lost_leases_limit=3,
    enough={Lane.TRANSACTIONAL: 5_000, Lane.BULK: 500},
    settle_pause=timedelta(seconds=5),
    settle_pause_cap=timedelta(minutes=1),
    keep=timedelta(days=30),
)
"""The defaults of retry's settings, but for the hold: there was no outage before these sweeps."""


def cases(sizes: Sizes) -> list[Case]:
    """With each number of deliveries stored."""
    return [
        Case(FOGBELL, Size(n).setting, partial(_measured, stored=n, sizes=sizes))
        for n in sizes.stored
    ]


class _Unobserved:
    """Nobody counts what these sweeps release."""

    def released(self, reason: str, count: int) -> None:
        """Nothing."""

    def unclaimed(self, channel: Channel, lane: Lane, count: int) -> None:
        """Nothing."""


async def _measured(plot: Plot, stored: int, sizes: Sizes) -> Figures:
    await plot.db.recipients.delete_many({})
    await seed(plot.db, sizes.due)
    await _store_settled(plot, stored)
    topology = Topology(plot.prefix)
    publisher = Publisher(plot.rabbitmq, topology, name="bench", count=lambda *_: None)
    publisher.start()
    await publisher.wait_connected()
    sweeper = Sweeper(plot.db, publisher, topology, _SETTINGS, _Unobserved())
    await sweeper.sweep()
    posted: list[Notification] = []
    seconds: list[float] = []
    for _ in range(sizes.sweeps):
        posted.append(await _make_due(plot, sizes.due))
        began = time.perf_counter()
        swept = await sweeper.sweep()
        seconds.append(time.perf_counter() - began)
        if swept.publish_lost != sizes.due:
            raise ProofError(f"expected {sizes.due} released, not {swept}")
    await publisher.close()
    await _all_delivered(plot, posted, sizes.due)
    return {**milliseconds(seconds), "deliveries": float(stored), "sweeps": float(len(seconds))}


async def _store_settled(plot: Plot, count: int) -> None:
    """Deliveries that are delivered, as a worker leaves them. Their durability is not measured."""
    collection = plot.db.deliveries.with_options(write_concern=WriteConcern(1))
    waiting = asyncio.Semaphore(_INSERTING)

    async def store(page: list[dict[str, Any]]) -> None:
        try:
            await collection.insert_many(page, ordered=False)
        finally:
            waiting.release()

    async with asyncio.TaskGroup() as group:
        for page in _settled_pages(plot, count):
            await waiting.acquire()
            group.create_task(store(page))


def _settled_pages(plot: Plot, count: int) -> Iterator[list[dict[str, Any]]]:
    notification, now = uuid7(), plot.db.clock.now()
    attempt = {"number": 1, "provider": "smtp", "started_at": now, "finished_at": now,
               "outcome": "accepted", "code": "250"}  # fmt: skip
    done = {"owner": "0" * 16, "claims": 1, "attempt_count": 1, "tries": 1, "attempts": [attempt]}
    for start in range(0, count, _PAGE):
        page = []
        for number in range(start, min(start + _PAGE, count)):
            name = recipient_id(number)
            new = NewDelivery(
                delivery_id(notification, name, Channel.EMAIL), notification, name,
                Channel.EMAIL, Lane.BULK, DeliveryStatus.DELIVERED,
            )  # fmt: skip
            page.append(delivery_document(new, now, timedelta(0)) | done)
        yield page


async def _make_due(plot: Plot, count: int) -> Notification:
    """A notification whose deliveries are stored, not published, and due at once."""
    posted_at = plot.db.clock.now()
    posted = Notification(
        id=uuid7(),
        origin=Origin(OriginType.API, "bench"),
        channels=(Channel.EMAIL,),
        lane=Lane.BULK,
        audience=Audience(),
        content=Content.model_validate(SHORT_CONTENT),
        created_at=posted_at,
        expanded_at=posted_at,
        expected=count,
        expected_by_channel={Channel.EMAIL.value: count},
    )
    later = plot.db.clock.now() + timedelta(hours=1)
    post = Accept(posted, [], later, posted.status(later))
    await notifications.accept(plot.db, [post], timedelta(0))
    names = map(recipient_id, range(count))
    new = [
        NewDelivery(
            delivery_id(posted.id, n, Channel.EMAIL), posted.id, n, Channel.EMAIL, Lane.BULK
        )
        for n in names
    ]
    await deliveries.insert(plot.db, new, timedelta(0))
    return posted


async def _all_delivered(plot: Plot, posted: list[Notification], count: int) -> None:
    """Let a worker settle what the sweeps have released, each once. Raises ProofError."""
    (worker,) = await subject.start_workers(plot, 1, **NOOP)
    await all_settled(plot, [worker.program])
    found = await plot.db.deliveries.count_documents(
        {
            "notification_id": {"$in": [n.id for n in posted]},
            "status": "delivered",
            "attempts": {"$size": 1},
        }
    )
    if found != count * len(posted):
        raise ProofError(f"expected {count * len(posted)} delivered once, not {found}")


def aims(medians: Medians) -> list[Aim]:
    """With the most stored against the fewest."""
    settings = medians.settings(FOGBELL) or [""]
    ends = [medians.get(FOGBELL, setting, "p50_ms") for setting in (settings[-1], settings[0])]
    return [Aim("sweep: most stored / fewest", ratio(*ends), "times", most=1.5)]


ROW = Row(
    name="sweep",
    title="one sweep that releases 1,000 due deliveries, by how many are stored",
    figure="p50_ms",
    unit="ms",
    cases=cases,
    aims=aims,
    less_is_better=True,
    once=True,
)
