"""The inbox on a real MongoDB: order, pages, marks, and whose items they are."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from tests.support.deliveries import document, insert_pending, new_delivery
from tests.support.inbox import restamp, store_history, store_items

from fogbell.model.status import Channel, DeliveryStatus
from fogbell.store import deliveries, inbox
from fogbell.store.database import Database
from fogbell.store.inbox import Mark, Position

NEWEST = datetime(2026, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC)
SECOND = timedelta(seconds=1)


async def test_the_inbox_shows_what_was_stored_newest_first(db: Database) -> None:
    ids = await store_history(db, "ann", "abc", NEWEST, SECOND)
    items = await inbox.page(db, "ann")
    assert [item.id for item in items] == ids[::-1]
    first = items[0]
    assert (first.title, first.body, first.url, first.data) == ("c", "b", "/u", {"n": 1})
    assert (first.stored_at, first.recipient_id) == (NEWEST, "ann")
    assert first.seen_at is first.read_at is first.archived_at is None


@pytest.mark.parametrize("step", [SECOND, timedelta(0)])
async def test_pages_follow_each_other_without_gap_or_repeat(db: Database, step: timedelta) -> None:
    """Also where every item was stored in one millisecond."""
    await store_history(db, "ann", "abcdefg", NEWEST, step)
    down: list[UUID] = []
    before: Position | None = None
    while items := await inbox.page(db, "ann", before=before, limit=3):
        down += [item.id for item in items]
        before = items[-1].position
    up: list[UUID] = []
    after: Position | None = None
    start = NEWEST - 10 * SECOND
    while items := await inbox.since(db, "ann", start, after=after, limit=3):
        up += [item.id for item in items]
        after = items[-1].position
    assert len(set(down)) == len(down) == 7
    assert up == down[::-1]


async def test_since_includes_its_start_and_nothing_before(db: Database) -> None:
    ids = await store_history(db, "ann", "abc", NEWEST, SECOND)
    assert [i.id for i in await inbox.since(db, "ann", NEWEST - SECOND)] == ids[1:]


async def test_other_recipients_items_never_appear(db: Database) -> None:
    (bobs,) = await store_items(db, "bob", ["secret"])
    assert await inbox.page(db, "ann", archived=True) == []
    assert await inbox.since(db, "ann", NEWEST - 365 * 24 * 3600 * SECOND) == []
    assert await inbox.unread_count(db, "ann") == 0
    for what in Mark:
        assert await inbox.mark(db, "ann", bobs, what) is None
    stored = await document(db, bobs)
    assert not {"seen_at", "read_at", "archived_at"} & set(stored)


async def test_deliveries_of_other_channels_are_no_items(db: Database) -> None:
    ids = await insert_pending(db, 1)
    skipped = new_delivery(
        recipient="r0", channel=Channel.INBOX, status=DeliveryStatus.SKIPPED, reason="cancelled"
    )
    await deliveries.insert(db, [skipped], SECOND)
    assert await inbox.page(db, "r0") == []
    assert await inbox.by_ids(db, [*ids, skipped.id]) == []
    assert await inbox.mark(db, "r0", ids[0], Mark.READ) is None


@pytest.mark.parametrize(
    ("what", "field"),
    [(Mark.SEEN, "seen_at"), (Mark.READ, "read_at"), (Mark.ARCHIVE, "archived_at")],
)
async def test_a_mark_keeps_its_first_time(db: Database, what: Mark, field: str) -> None:
    (item_id,) = await store_items(db, "ann", ["a"])
    assert await inbox.mark(db, "ann", item_id, what) is not None
    await db.deliveries.update_one({"_id": item_id}, {"$set": {field: NEWEST}})
    again = await inbox.mark(db, "ann", item_id, what)
    assert getattr(again, field) == NEWEST


async def test_reading_is_seeing_and_archiving_is_neither(db: Database) -> None:
    one, other = await store_items(db, "ann", "ab")
    seen = await inbox.mark(db, "ann", one, Mark.SEEN)
    read = await inbox.mark(db, "ann", one, Mark.READ)
    archived = await inbox.mark(db, "ann", other, Mark.ARCHIVE)
    assert seen is not None
    assert read is not None
    assert archived is not None
    assert seen.seen_at == read.seen_at
    assert seen.read_at is None
    assert read.read_at is not None
    assert archived.archived_at is not None
    assert archived.seen_at is archived.read_at is None


async def test_archived_items_are_left_out_unless_asked_for(db: Database) -> None:
    one, other = await store_history(db, "ann", "ab", NEWEST, SECOND)
    await inbox.mark(db, "ann", one, Mark.ARCHIVE)
    assert [i.id for i in await inbox.page(db, "ann")] == [other]
    assert [i.id for i in await inbox.page(db, "ann", archived=True)] == [other, one]


async def test_unread_leaves_out_what_was_read_but_not_what_was_only_seen(db: Database) -> None:
    one, two, three = await store_history(db, "ann", "abc", NEWEST, SECOND)
    await inbox.mark(db, "ann", one, Mark.READ)
    await inbox.mark(db, "ann", two, Mark.SEEN)
    assert [i.id for i in await inbox.page(db, "ann", unread=True)] == [three, two]
    assert await inbox.unread_count(db, "ann") == 2
    await inbox.mark(db, "ann", three, Mark.ARCHIVE)
    assert await inbox.unread_count(db, "ann") == 1


async def test_unread_items_are_counted_up_to_the_cap(db: Database) -> None:
    await store_items(db, "ann", ["x"] * (inbox.UNREAD_CAP + 5))
    assert await inbox.unread_count(db, "ann") == inbox.UNREAD_CAP


async def test_items_by_id_come_oldest_first_whoever_they_belong_to(db: Database) -> None:
    (bobs,) = await store_items(db, "bob", ["b"])
    (anns,) = await store_items(db, "ann", ["a"])
    await restamp(db, bobs, NEWEST)
    await restamp(db, anns, NEWEST - SECOND)
    found = await inbox.by_ids(db, [bobs, anns, UUID(int=5)])
    assert [(i.recipient_id, i.id) for i in found] == [("ann", anns), ("bob", bobs)]


async def test_a_page_reads_no_more_of_the_index_than_it_shows(db: Database) -> None:
    """However full the inbox is, and however full those of others."""
    await store_history(db, "ann", "x" * 60, NEWEST, SECOND)
    await store_items(db, "bob", "x" * 60)
    queries = [
        (inbox._inbox("ann") | {"archived_at": None}, -1),
        (inbox._inbox("ann") | inbox._beyond("$lt", Position(NEWEST, UUID(int=0))), -1),
        (inbox._inbox("ann") | {"stored_at": {"$gte": NEWEST - 5 * SECOND}}, 1),
    ]
    for query, direction in queries:
        order = [("stored_at", direction), ("_id", direction)]
        cursor = db.deliveries.find(query).sort(order).limit(5).hint(inbox._KEYS)
        stats = (await cursor.explain())["executionStats"]
        assert stats["nReturned"] == 5
        assert stats["totalKeysExamined"] <= 7
