"""What is past its retention is deleted, and nothing else; on a real MongoDB."""

from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest
from tests.support.deliveries import GRACE, new_delivery
from tests.support.notifications import new_notification
from tests.support.profiling import profiled

from fogbell.model.status import Channel, DeliveryStatus, NotificationStatus
from fogbell.policy import Retention
from fogbell.store import deliveries, notifications, retention
from fogbell.store.database import Database
from fogbell.store.notifications import Accept
from fogbell.store.progress import frozen_fields, summed

DAY = timedelta(days=1)
KEPT = Retention(deliveries=30 * DAY, notifications=90 * DAY, inbox=60 * DAY)
SHORT = Retention(deliveries=30 * DAY, notifications=90 * DAY, inbox=7 * DAY)
S = DeliveryStatus


async def _settled(
    db: Database, age: timedelta, number: int = 1, inbox: int = 0, kept: Retention = KEPT
) -> UUID:
    """A notification that settled ``age`` ago, with so many deliveries by e-mail and inbox."""
    settled_at = db.clock.now() - age
    run = new_notification(
        created_at=settled_at,
        expanded_at=settled_at,
        settled_at=settled_at,
        expected=number + inbox,
    )
    sent = [new_delivery(run.id, f"r{n}", status=S.DEAD) for n in range(number)]
    items = [new_delivery(run.id, f"r{n}", Channel.INBOX, status=S.DELIVERED) for n in range(inbox)]
    reached = summed({Channel.EMAIL: {S.DEAD: number}, Channel.INBOX: {S.DELIVERED: inbox}})
    frozen = frozen_fields(reached, settled_at, kept.shortest)
    status = NotificationStatus.SETTLED
    await notifications.accept(db, [Accept(run, [], None, status, frozen)], GRACE)
    await deliveries.insert(db, sent + items, GRACE)
    return run.id


async def _left(db: Database) -> tuple[int, dict[str, int]]:
    """Notifications, and deliveries by channel."""
    channels = Counter([d["channel"] async for d in db.deliveries.find({}, {"channel": True})])
    return await db.notifications.count_documents({}), dict(channels)


@pytest.mark.parametrize(
    ("age", "kept", "left"),
    [
        (29, KEPT, (1, {"email": 3, "inbox": 2})),
        (31, KEPT, (1, {"inbox": 2})),
        (61, KEPT, (1, {})),
        (91, KEPT, (0, {})),
        # Inbox items may be kept for less long than the rest.
        (6, SHORT, (1, {"email": 3, "inbox": 2})),
        (8, SHORT, (1, {"email": 3})),
    ],
)
async def test_each_kind_is_deleted_when_its_time_has_come(
    db: Database, age: int, kept: Retention, left: tuple[int, dict[str, int]]
) -> None:
    await _settled(db, age * DAY, 3, 2, kept)
    await retention.purge(db, kept, 60)
    assert await _left(db) == left
    assert await retention.purge(db, kept, 60) == retention.Purged()
    assert await _left(db) == left


async def test_what_is_not_settled_is_never_deleted(db: Database) -> None:
    run = new_notification(created_at=db.clock.now() - 400 * DAY)
    pending = [new_delivery(run.id, "ann")]
    post = Accept(run, pending, db.clock.now(), NotificationStatus.SENDING)
    await notifications.accept(db, [post], GRACE)
    await retention.purge(db, KEPT, 60)
    assert await _left(db) == (1, {"email": 1})


async def test_many_small_ones_are_deleted_together_until_none_is_due(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One by one, a purge would fall behind a thousand posts a second."""
    monkeypatch.setattr(retention, "PAGE", 40)
    for _ in range(90):
        await _settled(db, 91 * DAY, 2)
    kept = await _settled(db, 29 * DAY, 2)
    async with profiled(db, db.notifications) as seen:
        purged = await retention.purge(db, KEPT, 60)
    assert (purged.deliveries, purged.notifications) == (180, 90)
    assert await notifications.get(db, kept) is not None
    # Each page is read, held and read again; a last one finds too few.
    assert len([e for e in seen if e["op"] == "query"]) == 3 * 2
    assert len([e for e in seen if e["op"] == "update"]) == 3


async def test_a_large_run_is_deleted_in_pieces_and_taken_up_where_that_ended(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is scanned again, though inbox items stay for longer."""
    monkeypatch.setattr(retention, "PIECE", 20)
    monkeypatch.setattr(retention, "BATCH", 100)
    run = await _settled(db, 31 * DAY, 300, 300)
    deleted = []
    async with profiled(db, db.deliveries) as seen:
        while purged := (await retention.purge(db, KEPT, 0)).deliveries:
            deleted.append(purged)
    assert sum(deleted) == 300
    # 31 pieces, five to a command; the last may hold none.
    assert 6 <= len(deleted) <= 7
    assert await _left(db) == (1, {"inbox": 300})
    assert sum(entry["docsExamined"] for entry in seen) == 600
    document = await db.notifications.find_one({"_id": run})
    assert document is not None
    assert "purge" not in document


async def test_deliveries_that_fall_due_during_a_purge_are_not_left_behind(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A purge of the mails has passed the first inbox items when those fall due as well."""
    monkeypatch.setattr(retention, "PIECE", 20)
    monkeypatch.setattr(retention, "BATCH", 100)
    run = await _settled(db, 31 * DAY, 300, 300)
    await retention.purge(db, KEPT, 0)
    later = {"$set": {"settled_at": db.clock.now() - 61 * DAY}}
    await db.notifications.update_one({"_id": run}, later)
    await retention.purge(db, KEPT, 60)
    assert await _left(db) == (1, {})


async def test_a_neighbour_in_the_same_range_of_ids_is_kept(db: Database) -> None:
    run = await _settled(db, 91 * DAY, 3)
    twin = UUID(int=run.int ^ 1)
    await deliveries.insert(db, [new_delivery(twin, "ann")], GRACE)
    await retention.purge(db, KEPT, 60)
    assert await _left(db) == (0, {"email": 1})
