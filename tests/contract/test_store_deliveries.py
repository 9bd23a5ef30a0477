"""Creating and reading deliveries on a real MongoDB."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.support.deliveries import GRACE, claim_all, document, documents, new_delivery
from tests.support.profiling import profiled

from fogbell.identity import delivery_range, uuid7
from fogbell.model.delivery import Alike, DeliveryView, NewDelivery
from fogbell.model.status import Channel, DeliveryStatus, Lane
from fogbell.store import deliveries
from fogbell.store.database import Database, Document

SKIPPED = DeliveryStatus.SKIPPED


def _many(notification: UUID, number: int, channel: Channel = Channel.EMAIL) -> list[NewDelivery]:
    return [new_delivery(notification, f"r{n}", channel) for n in range(number)]


async def test_a_new_delivery_waits_for_a_claim_within_its_grace(db: Database) -> None:
    new = new_delivery()
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    await deliveries.insert(db, [new], GRACE)
    stored = await document(db, new.id)
    assert (stored["status"], stored["claims"], stored["attempt_count"]) == ("pending", 0, 0)
    assert before <= stored["created_at"] <= datetime.now(UTC)
    assert stored["sweep_at"] == stored["created_at"] + GRACE
    absent = {"not_before", "settled_at", "stored_at", "inline", "item", "reason", "owner"}
    assert not absent & stored.keys()


async def test_a_later_one_is_looked_at_when_its_grace_has_passed(db: Database) -> None:
    later = db.clock.now() + timedelta(hours=1)
    new = new_delivery(not_before=later)
    await deliveries.insert(db, [new], GRACE)
    assert (await document(db, new.id))["sweep_at"] == later + GRACE


async def test_a_settled_one_is_never_looked_at(db: Database) -> None:
    skipped = new_delivery(status=SKIPPED, reason="no_address")
    item = {"title": "Hi", "data": {"$a.b": 1}}
    stored_item = new_delivery(channel=Channel.INBOX, status=DeliveryStatus.DELIVERED, item=item)
    await deliveries.insert(db, [skipped, stored_item], GRACE)
    for one in (await documents(db, [skipped.id, stored_item.id])).values():
        assert "sweep_at" not in one
        assert one["settled_at"] == one["created_at"]
    inbox = await document(db, stored_item.id)
    assert (inbox["item"], inbox["stored_at"]) == (item, inbox["created_at"])


@pytest.fixture(params=[200, 3])
def at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one piece, and in several."""
    monkeypatch.setattr(deliveries, "INSERTED_AT_ONCE", request.param)


@pytest.mark.usefixtures("at_once")
async def test_inserting_again_changes_nothing(db: Database) -> None:
    new = _many(uuid7(), 10)
    await deliveries.insert(db, new[:6], GRACE)
    await claim_all(db, [new[0].id])
    before = await documents(db, [n.id for n in new[:6]])
    assert await deliveries.insert(db, new, GRACE) == new[6:]
    after = await documents(db, [n.id for n in new])
    assert len(after) == 10
    assert {i: after[i] for i in before} == before


async def test_inserting_the_same_at_the_same_time_stores_each_once(db: Database) -> None:
    new = _many(uuid7(), 100)
    await asyncio.gather(*(deliveries.insert(db, new, GRACE) for _ in range(3)))
    assert await db.deliveries.count_documents({}) == 100


def _alike(new: list[NewDelivery]) -> Alike:
    return Alike(new[0], [n.id.bytes for n in new], [n.recipient_id for n in new])


async def test_those_that_are_alike_are_stored_as_each_alone_would_be(db: Database) -> None:
    run = uuid7()
    mails, texts = _many(run, 5), _many(run, 3, Channel.SMS)
    skipped = [replace(new, status=SKIPPED, reason="no_address") for new in texts]
    groups = [_alike(mails), _alike(skipped)]
    assert await deliveries.insert_alike(db, groups, GRACE) == groups
    stored = await documents(db, [new.id for new in mails + skipped])
    for new in mails + skipped:
        created = stored[new.id]["created_at"]
        assert stored[new.id] == deliveries.delivery_document(new, created, GRACE)


@pytest.mark.usefixtures("at_once")
async def test_inserting_alike_ones_again_changes_nothing(db: Database) -> None:
    run = uuid7()
    mails, texts = _many(run, 10), _many(run, 4, Channel.SMS)
    await deliveries.insert(db, mails[2:6] + texts[:1], GRACE)
    await claim_all(db, [mails[2].id])
    before = await documents(db, [mails[2].id])
    new = await deliveries.insert_alike(db, [_alike(mails), _alike(texts)], GRACE)
    assert [[*group.each()] for group in new] == [mails[:2] + mails[6:], texts[1:]]
    assert await documents(db, [mails[2].id]) == before
    assert await db.deliveries.count_documents({}) == 14


async def test_inserting_nothing_is_no_error(db: Database) -> None:
    await deliveries.insert(db, [], GRACE)
    assert await deliveries.insert_alike(db, [], GRACE) == []
    assert await deliveries.existing(db, []) == set()


async def test_what_exists_is_answered_from_the_index_alone(db: Database) -> None:
    new = _many(uuid7(), 20)
    await deliveries.insert(db, new[:12], GRACE)
    async with profiled(db, db.deliveries) as seen:
        found = await deliveries.existing(db, [n.id for n in new])
    assert found == {n.id for n in new[:12]}
    assert seen[0]["planSummary"] == "IXSCAN { _id: 1 }"
    assert seen[0]["docsExamined"] == 0


async def test_a_delivery_reads_back_as_it_was_given(db: Database) -> None:
    inline = {"addresses": {"email": "x@example.org"}, "locale": None, "data": {"a.b": {"$c": 1}}}
    new = new_delivery(channel=Channel.SMS, lane=Lane.BULK, inline=inline)
    await deliveries.insert(db, [new], GRACE)
    view = await deliveries.get(db, new.id)
    assert view is not None
    expected = DeliveryView(
        new.id,
        new.notification_id,
        "ann",
        Channel.SMS,
        Lane.BULK,
        DeliveryStatus.PENDING,
        view.created_at,
        inline=inline,
    )
    assert view == expected
    assert await deliveries.get(db, uuid7()) is None


async def _walk(db: Database, notification: UUID, limit: int) -> list[list[UUID]]:
    pages: list[list[UUID]] = []
    after: UUID | None = None
    while True:
        page = await deliveries.page(db, notification, after=after, limit=limit)
        if not page:
            return pages
        pages.append([view.id for view in page])
        after = page[-1].id


async def test_pages_hold_every_delivery_of_one_notification_once_and_in_order(
    db: Database,
) -> None:
    mine = uuid7()
    # Another notification of the same millisecond has the same range of ids.
    twin = UUID(int=mine.int ^ 1)
    assert delivery_range(mine) == delivery_range(twin)
    new = _many(mine, 25)
    await deliveries.insert(db, [*new, *_many(twin, 25), *_many(uuid7(), 5)], GRACE)
    pages = await _walk(db, mine, 10)
    assert [len(page) for page in pages] == [10, 10, 5]
    assert [i for page in pages for i in page] == sorted(n.id for n in new)


@pytest.mark.parametrize(
    ("status", "channel", "number"),
    [
        (None, Channel.SMS, 4),
        (SKIPPED, None, 2),
        (SKIPPED, Channel.SMS, 0),
        (DeliveryStatus.PENDING, Channel.EMAIL, 3),
    ],
)
async def test_a_page_can_be_of_one_status_and_channel(
    db: Database, status: DeliveryStatus | None, channel: Channel | None, number: int
) -> None:
    notification = uuid7()
    skipped = [new_delivery(notification, f"s{n}", status=SKIPPED) for n in range(2)]
    others = [*_many(notification, 3), *_many(notification, 4, Channel.SMS)]
    await deliveries.insert(db, [*skipped, *others], GRACE)
    page = await deliveries.page(db, notification, status=status, channel=channel)
    assert len(page) == number
    assert {v.status for v in page} <= {status or v.status for v in page}
    assert {v.channel for v in page} <= {channel or v.channel for v in page}


async def _page_of_dead(db: Database, number: int, **which: Any) -> tuple[list[UUID], Document]:
    """Ids of a page of dead ones, of so many in a run of 1,000, and what MongoDB did for it."""
    notification = uuid7()
    new = _many(notification, 500) + _many(notification, 500, Channel.SMS)
    dead = [replace(d, status=DeliveryStatus.DEAD) for d in new[500 - number // 2 :][:number]]
    alive = [
        replace(d, status=DeliveryStatus.SKIPPED) for d in new if d.id not in {d.id for d in dead}
    ]
    await deliveries.insert(db, [*alive, *dead], GRACE)
    async with profiled(db, db.deliveries) as seen:
        page = await deliveries.page(db, notification, status=DeliveryStatus.DEAD, **which)
    (entry,) = seen
    channel = which.get("channel")
    expected = sorted(d.id for d in dead if channel in (None, d.channel))
    ids = [view.id for view in page]
    assert ids == expected[: len(ids)]
    return ids, entry


async def test_a_page_of_one_status_examines_no_others(db: Database) -> None:
    for which in ({}, {"channel": Channel.SMS}):
        ids, entry = await _page_of_dead(db, 10, **which)
        assert len(ids) == (5 if which else 10)
        assert entry["docsExamined"] == len(ids)
        assert entry["keysExamined"] <= len(ids) + 2 * len(Channel)


async def test_a_page_of_one_status_is_merged_and_never_sorted(db: Database) -> None:
    """Its cost is the page's, however many there are of that status."""
    ids, entry = await _page_of_dead(db, 400)
    assert len(ids) == 50
    assert "hasSortStage" not in entry
    assert entry["docsExamined"] <= 50 + len(Channel)


async def test_a_page_of_one_status_goes_on_behind_a_place(db: Database) -> None:
    ids, _ = await _page_of_dead(db, 10, after=UUID(int=0))
    assert len(ids) == 10
    view = await deliveries.get(db, ids[3])
    assert view is not None
    run = view.notification_id
    rest = await deliveries.page(db, run, status=DeliveryStatus.DEAD, after=ids[3])
    assert [found.id for found in rest] == ids[4:]
