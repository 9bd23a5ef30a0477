"""Expanding audiences on a real MongoDB. RabbitMQ is away, on purpose: the sweep publishes."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.support.deliveries import GRACE, new_delivery
from tests.support.notifications import new_notification
from tests.support.profiling import profiled
from tests.support.waiting import eventually

from fogbell.broker import Publisher, Topology
from fogbell.expansion import checkpoints, expander
from fogbell.expansion.expander import PAGES_IN_FLIGHT, Expander, Expansion, ExpansionSettings
from fogbell.model.content import Content
from fogbell.model.notification import Audience, NamedRecipient, Notification
from fogbell.model.recipient import Recipient
from fogbell.model.status import Channel, DeliveryStatus, Lane, NotificationStatus
from fogbell.store import deliveries, expansions, notifications, progress, recipients
from fogbell.store.database import Database

PAGE = 5
CONTENT = Content.model_validate({"email": {"subject": "Hi", "text": "Hi"}})


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expander, "PAGE", PAGE)


def _expander(db: Database, **settings: Any) -> Expander:
    publisher = Publisher("amqp://127.0.0.1:1/", Topology(), name="test", count=lambda *_: None)
    return Expander(db, publisher, ExpansionSettings(**settings))


async def _run(db: Database, **fields: Any) -> Notification:
    made = {"content": CONTENT, "lane": Lane.BULK, "audience": Audience(everyone=True)} | fields
    run = new_notification(created_at=db.clock.now(), **made)
    post = notifications.Accept(run, [], db.clock.now(), NotificationStatus.EXPANDING)
    await notifications.accept(db, [post], GRACE)
    return run


async def _people(db: Database, number: int, *groups: str) -> list[str]:
    names = [f"r{n:04d}" for n in range(number)]
    await recipients.put_many(
        db,
        [
            Recipient.model_validate(
                {"id": n, "groups": list(groups), "addresses": {"email": f"{n}@example.org"}}
            )
            for n in names
        ],
    )
    return names


async def _expand(db: Database, run: UUID) -> Expansion:
    expansion = await _expander(db).expand(run)
    assert expansion is not None
    return expansion


async def test_everybody_gets_one_delivery_and_is_counted_once(db: Database) -> None:
    names = await _people(db, 23, "crew")
    named = tuple(NamedRecipient(name) for name in names[:7])
    run = await _run(db, audience=Audience(recipients=named, groups=("crew",)))
    expansion = await _expand(db, run.id)
    assert (expansion.inserted, expansion.finished) == (23, True)
    stored = await notifications.get(db, run.id)
    assert stored is not None
    assert stored.expected == 23


async def test_a_named_recipients_own_data_is_kept_where_a_group_contains_them_too(
    db: Database,
) -> None:
    names = await _people(db, 4 * PAGE, "crew")
    # The last named page holds those of the first page of the directory.
    named = tuple(NamedRecipient(name, {"seat": "4A"}) for name in reversed(names))
    for _ in range(5):
        run = await _run(db, audience=Audience(recipients=named, groups=("crew",)))
        assert (await _expand(db, run.id)).inserted == len(names)
        with_data = {"notification_id": run.id, "inline.data": {"seat": "4A"}}
        assert await db.deliveries.count_documents(with_data) == len(names)


async def test_an_audience_with_few_hits_is_found_to_its_end(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipients, "SCAN", 2 * PAGE)
    names = await _people(db, 9 * PAGE)
    rare = {"$set": {"attributes": {"plan": "pro"}}}
    await db.recipients.update_many({"_id": {"$in": [names[7], names[-1]]}}, rare)
    run = await _run(db, audience=Audience(match={"plan": "pro"}))
    expansion = await _expand(db, run.id)
    assert (expansion.inserted, expansion.finished) == (2, True)


async def test_how_much_is_inserted_is_told_meanwhile_and_kept_for_the_next_start(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "CHECKPOINT_INTERVAL", 0.0)
    monkeypatch.setattr(checkpoints, "SUMMARY_INTERVAL", 0.0)
    monkeypatch.setattr(progress, "EXACT_LIMIT", PAGE)
    await _people(db, 200 * PAGE)  # 20 s of work: it is cancelled in the middle
    run = await _run(db, channels=(Channel.EMAIL, Channel.INBOX), throttle_per_second=10 * PAGE)
    work = asyncio.create_task(_expander(db).expand(run.id))

    async def half_way() -> bool:
        """Also by the summary, which is of a moment before."""
        stored = await db.notifications.find_one({"_id": run.id}) or {}
        inserted = stored.get("expansion", {}).get("inserted", {})
        summary = stored.get("summary", {}).get("by_channel", {})
        pending: int = summary.get("email", {}).get("pending", 0)
        return inserted.get("inbox", 0) >= 8 * PAGE and pending >= 6 * PAGE

    await eventually(half_way, 20, 0.05)
    reached = await progress.progress(db, run.id)
    assert reached is not None
    assert reached.totals[DeliveryStatus.DEAD] >= 6 * PAGE
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    lease = await expansions.take(db, run.id, "next", GRACE)
    assert lease is not None
    assert lease.inserted["email"] == lease.inserted["inbox"] >= 8 * PAGE


SLOW = "{% for i in (1..4000) %}{{ data.x | upcase | downcase }}{% endfor %}"


async def test_a_page_that_takes_longer_than_the_lease_does_not_lose_it(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inbox content is rendered page by page, and may be dear."""
    monkeypatch.setattr(expander, "PAGE", 180)
    await _people(db, 180)
    content = Content.model_validate({"inbox": {"title": "t", "body": SLOW}})
    run = await _run(db, channels=(Channel.INBOX,), content=content, data={"x": "a" * 60})
    lease = timedelta(seconds=8)
    work = asyncio.create_task(_expander(db, lease=lease).expand(run.id))
    leased = {"_id": run.id, "expansion.owner": {"$exists": True}}
    await eventually(lambda: db.notifications.count_documents(leased))
    taken = []
    async with profiled(db, db.notifications) as seen:
        while not (await asyncio.wait({work}, timeout=0.2))[0]:
            taken.append(await expansions.take(db, run.id, "thief", lease) is not None)
    assert not any(taken)
    expansion = work.result()
    assert expansion is not None
    assert (expansion.inserted, expansion.finished) == (180, True)
    assert len([e for e in seen if e["op"] == "update"]) > 3


async def _interrupted(db: Database, pages: int) -> Notification:
    """A run of 20 pages, of which so many are inserted behind the checkpoint, at the first."""
    names = await _people(db, 20 * PAGE)
    run = await _run(db)
    await expansions.take(db, run.id, "first", timedelta(seconds=30))
    await expansions.checkpoint(db, run.id, "first", f"3:{names[PAGE - 1]}", timedelta(0))
    there = names[: (pages + 1) * PAGE]
    new = [new_delivery(run.id, name, Channel.EMAIL, Lane.BULK) for name in there]
    await deliveries.insert(db, new, GRACE)
    return run


async def test_a_resumed_expansion_looks_up_all_that_an_earlier_start_inserted(
    db: Database,
) -> None:
    """A checkpoint is half a second old: many pages may be behind it."""
    run = await _interrupted(db, 12)
    async with profiled(db, db.deliveries) as seen:
        expansion = await _expand(db, run.id)
    assert (expansion.inserted, expansion.finished) == (7 * PAGE, True)
    inserted = sum(entry["ninserted"] for entry in seen if entry["op"] == "insert")
    assert inserted == 7 * PAGE
    assert [entry for entry in seen if entry["op"] == "insert" and "errMsg" in entry] == []
    assert len([e for e in seen if e["op"] == "insert"]) == 7
    assert await db.deliveries.count_documents({}) == 20 * PAGE


async def test_a_resumed_expansion_stops_looking_up_where_nothing_is_there(db: Database) -> None:
    run = await _interrupted(db, 2)
    async with profiled(db, db.deliveries) as seen:
        await _expand(db, run.id)
    looked_up = [e for e in seen if e["op"] == "query"]
    # Those in flight when the last of them is seen may be looked up as well.
    assert 2 + PAGES_IN_FLIGHT + 1 <= len(looked_up) <= 2 + 2 * PAGES_IN_FLIGHT + 1
