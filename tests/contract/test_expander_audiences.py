"""Expansion against real servers: everybody once a channel, whoever begins or ends it."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.support.broker import publishing, queues_of, waiting_in
from tests.support.deliveries import GRACE
from tests.support.lanes import CONTENT
from tests.support.notifications import new_notification
from tests.support.waiting import eventually

from fogbell.broker import Publisher, Topology
from fogbell.expansion import checkpoints, expander
from fogbell.expansion.expander import Expander, ExpansionSettings
from fogbell.identity import delivery_id
from fogbell.model.address import Addresses
from fogbell.model.content import Content
from fogbell.model.notification import Audience, InlineAddress, NamedRecipient
from fogbell.model.recipient import Recipient
from fogbell.model.status import Channel, Lane, NotificationStatus
from fogbell.store import notifications, recipients
from fogbell.store.database import Database, Document
from fogbell.store.notifications import Accept

CREW = [f"crew-{n:03d}" for n in range(250)]
EVERYBODY = Audience(groups=("crew",))
MAIL_AND_INBOX = (Channel.EMAIL, Channel.INBOX)
BOTH = Content.model_validate(
    {"email": {"subject": "Fog", "text": "Bell."}, "inbox": {"title": "Fog, {{ recipient.id }}"}}
)


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of 20, so that a few hundred people are many pages."""
    monkeypatch.setattr(expander, "PAGE", 20)
    monkeypatch.setattr(checkpoints, "CHECKPOINT_INTERVAL", 0.05)


@pytest.fixture
async def crew(db: Database) -> list[str]:
    await recipients.put_many(
        db,
        [
            Recipient(id=name, addresses=Addresses(email=f"{name}@example.org"), groups=["crew"])
            for name in CREW
        ],
    )
    return CREW


@pytest.fixture
def deaf() -> Publisher:
    """RabbitMQ is away: every publish fails."""
    return Publisher("amqp://127.0.0.1:1/", Topology("t."), name="t", count=lambda *_: None)


def _expander(db: Database, publisher: Publisher, lease: float = 60) -> Expander:
    settings = ExpansionSettings(timedelta(seconds=lease), GRACE, timedelta(seconds=5))
    return Expander(db, publisher, settings)


async def _run(db: Database, audience: Audience = EVERYBODY, **fields: Any) -> UUID:
    made = {"channels": (Channel.EMAIL,), "content": CONTENT, "created_at": db.clock.now()}
    run = new_notification(**(made | {"lane": Lane.BULK, "audience": audience} | fields))
    await notifications.accept(
        db, [Accept(run, [], db.clock.now(), NotificationStatus.EXPANDING)], GRACE
    )
    return run.id


def _ids(run: UUID, names: list[str], *channels: Channel) -> set[UUID]:
    return {delivery_id(run, name, c) for name in names for c in channels or (Channel.EMAIL,)}


async def _deliveries(db: Database, run: UUID) -> dict[UUID, Document]:
    found = db.deliveries.find({"notification_id": run})
    return {document["_id"]: dict(document) async for document in found}


async def _notification(db: Database, run: UUID) -> Document:
    found = await db.notifications.find_one({"_id": run})
    assert found is not None
    return dict(found)


async def test_everybody_gets_one_delivery_a_channel(
    db: Database, crew: list[str], rabbit_uri: str, topology_prefix: str
) -> None:
    run = await _run(db, channels=MAIL_AND_INBOX, content=BOTH)
    async with (
        queues_of(rabbit_uri, Topology(topology_prefix)) as topology,
        publishing(rabbit_uri, topology) as publisher,
    ):
        expansion = await _expander(db, publisher).expand(run)
        assert expansion is not None
        assert (expansion.inserted, expansion.finished) == (500, True)
        # One message a page of 20: a worker is woken for each of them, and for no inbox.
        assert await waiting_in(rabbit_uri, topology.queue(Channel.EMAIL, Lane.BULK)) == 13
    stored = await _deliveries(db, run)
    assert stored.keys() == _ids(run, crew, *MAIL_AND_INBOX)
    assert Counter(d["status"] for d in stored.values()) == {"pending": 250, "delivered": 250}
    ended = await _notification(db, run)
    assert (ended["expected"], ended["expected_by_channel"]) == (500, {"email": 250, "inbox": 250})
    assert ended["expanded_at"]
    assert "expansion" not in ended


async def test_what_is_expanded_is_not_expanded_again(
    db: Database, crew: list[str], deaf: Publisher
) -> None:
    run = await _run(db)
    assert await _expander(db, deaf).expand(run)
    assert await _expander(db, deaf).expand(run) is None
    assert (await _deliveries(db, run)).keys() == _ids(run, crew)


async def test_without_rabbitmq_everything_is_inserted_and_left_to_the_sweep(
    db: Database, crew: list[str], deaf: Publisher
) -> None:
    run = await _run(db)
    expansion = await _expander(db, deaf).expand(run)
    assert expansion is not None
    assert expansion.finished
    stored = await _deliveries(db, run)
    assert stored.keys() == _ids(run, crew)
    assert all(d["sweep_at"] <= db.clock.now() + GRACE for d in stored.values())


async def test_an_audience_of_every_kind_is_walked_in_turn(
    db: Database, crew: list[str], deaf: Publisher
) -> None:
    """Who is named and in the group as well is one person, with the data that came by name."""
    named = [NamedRecipient(crew[0], {"seat": "4A"}), NamedRecipient("left-since")]
    inline = [InlineAddress(f"~{n}", {"email": f"{n}@example.org"}) for n in range(45)]
    audience = Audience(recipients=(*named,), addresses=(*inline,), groups=("crew",))
    run = await _run(db, audience)
    await _expander(db, deaf).expand(run)
    stored = await _deliveries(db, run)
    everybody = [*crew, "left-since", *(address.key for address in inline)]
    assert stored.keys() == _ids(run, everybody)
    ends = {d["recipient_id"]: d for d in stored.values()}
    assert ends[crew[0]]["inline"]["data"] == {"seat": "4A"}
    assert (ends["left-since"]["status"], ends["left-since"]["reason"]) == (
        "skipped", "recipient_deleted",
    )  # fmt: skip
    assert (await _notification(db, run))["expected"] == len(everybody)


async def test_an_empty_group_is_expanded_to_nobody(db: Database, deaf: Publisher) -> None:
    run = await _run(db, Audience(groups=("nobody",)))
    expansion = await _expander(db, deaf).expand(run)
    assert expansion is not None
    assert expansion.finished
    assert (await _notification(db, run))["expected"] == 0


@contextlib.asynccontextmanager
async def _interrupted(db: Database, run: UUID, deaf: Publisher) -> AsyncIterator[Document]:
    """An expansion that was stopped in the middle, and how the notification stood then."""
    task = asyncio.create_task(_expander(db, deaf).expand(run))
    await eventually(lambda: _has_cursor(db, run))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    yield await _notification(db, run)


async def _has_cursor(db: Database, run: UUID) -> bool:
    return "cursor" in (await _notification(db, run)).get("expansion", {})


async def test_a_stop_gives_the_lease_back_and_the_next_one_goes_on_from_the_cursor(
    db: Database, crew: list[str], deaf: Publisher
) -> None:
    run = await _run(db, throttle_per_second=100)
    async with _interrupted(db, run, deaf) as left:
        assert "owner" not in left["expansion"]
        assert left["sweep_at"] <= db.clock.now()
        there = len(await _deliveries(db, run))
        assert 0 < there < len(crew)
        await db.notifications.update_one({"_id": run}, {"$unset": {"throttle_per_second": ""}})
        expansion = await _expander(db, deaf).expand(run)
    assert expansion is not None
    assert expansion.inserted == len(crew) - there
    assert (await _deliveries(db, run)).keys() == _ids(run, crew)
    assert (await _notification(db, run))["expected"] == len(crew)


async def test_a_lease_that_runs_is_left_alone_and_one_that_ended_is_taken(
    db: Database, crew: list[str], deaf: Publisher
) -> None:
    run = await _run(db)
    holder = _expander(db, deaf, lease=0.5)
    until = db.clock.now() + timedelta(seconds=0.5)
    await db.notifications.update_one(
        {"_id": run}, {"$set": {"expansion": {"owner": "gone", "until": until, "starts": 1}}}
    )
    assert await holder.expand(run) is None
    await eventually(lambda: _taken(holder, run))
    assert (await _deliveries(db, run)).keys() == _ids(run, crew)


async def _taken(holder: Expander, run: UUID) -> bool:
    return await holder.expand(run) is not None


async def test_two_expanders_share_nothing(db: Database, crew: list[str], deaf: Publisher) -> None:
    run = await _run(db)
    ends = await asyncio.gather(*(_expander(db, deaf).expand(run) for _ in range(5)))
    assert sum(end is not None for end in ends) == 1
    assert (await _deliveries(db, run)).keys() == _ids(run, crew)


async def test_a_throttle_keeps_its_pace_and_begins_without_a_burst(
    db: Database, crew: list[str], deaf: Publisher
) -> None:
    run = await _run(db, throttle_per_second=100)
    started = time.monotonic()
    task = asyncio.create_task(_expander(db, deaf).expand(run))
    while not task.done():
        seconds = time.monotonic() - started
        there = await db.deliveries.count_documents({"notification_id": run})
        # Never more than a page ahead of the pace.
        assert there <= 100 * (time.monotonic() - started) + 20, seconds
        await asyncio.sleep(0.1)
    assert time.monotonic() - started >= (len(crew) - 20) / 100
    assert (await _deliveries(db, run)).keys() == _ids(run, crew)


async def test_a_cancelled_run_stops_its_expansion(
    db: Database, crew: list[str], deaf: Publisher
) -> None:
    run = await _run(db, throttle_per_second=100)
    task = asyncio.create_task(_expander(db, deaf).expand(run))
    await eventually(lambda: _has_cursor(db, run))
    cancelled = {"$set": {"cancelled_at": db.clock.now()}}
    await db.notifications.update_one({"_id": run}, cancelled)
    expansion = await task
    assert expansion is not None
    assert not expansion.finished
    assert len(await _deliveries(db, run)) < len(crew)
    assert await _expander(db, deaf).expand(run) is None


async def test_what_is_scheduled_is_not_expanded_before_its_time(
    db: Database, crew: list[str], deaf: Publisher
) -> None:
    run = await _run(db, send_at=db.clock.now() + timedelta(seconds=1))
    assert await _expander(db, deaf).expand(run) is None
    assert await _deliveries(db, run) == {}
    await eventually(lambda: _taken(_expander(db, deaf), run))
    assert (await _deliveries(db, run)).keys() == _ids(run, crew)


async def test_what_expired_meanwhile_is_skipped_and_shown_to_nobody(
    db: Database, crew: list[str], deaf: Publisher
) -> None:
    expired = db.clock.now() - timedelta(seconds=1)
    run = await _run(db, channels=MAIL_AND_INBOX, content=BOTH, expires_at=expired)
    await _expander(db, deaf).expand(run)
    stored = await _deliveries(db, run)
    assert stored.keys() == _ids(run, crew, *MAIL_AND_INBOX)
    assert {(d["status"], d["reason"]) for d in stored.values()} == {("skipped", "expired")}
    assert not [d for d in stored.values() if "stored_at" in d or "sweep_at" in d]
