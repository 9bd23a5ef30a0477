"""The lease and the cursor of an expansion, on a real MongoDB."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.support.deliveries import GRACE, new_delivery
from tests.support.notifications import new_notification
from tests.support.profiling import profiled

from fogbell.identity import SLICES, uuid7
from fogbell.model.notification import Notification
from fogbell.model.status import Channel, NotificationStatus
from fogbell.store import counting, deliveries, expansions, notifications
from fogbell.store.database import Database, Document

LEASE = timedelta(seconds=30)
SOON = timedelta(seconds=5)
SECOND = timedelta(seconds=1)


async def _stored(db: Database, **fields: Any) -> Notification:
    notification = new_notification(created_at=db.clock.now(), **fields)
    due_at = notification.send_at or db.clock.now()
    post = notifications.Accept(notification, [], due_at, NotificationStatus.EXPANDING)
    await notifications.accept(db, [post], GRACE)
    return notification


async def _document(db: Database, notification: UUID) -> Document:
    found = await db.notifications.find_one({"_id": notification})
    assert found is not None
    return dict(found)


async def _end_lease(db: Database, notification: UUID) -> None:
    past = datetime.now(UTC) - SECOND
    fields = {"expansion.until": past, "sweep_at": past}
    await db.notifications.update_one({"_id": notification}, {"$set": fields})


async def _cancel(db: Database, notification: UUID) -> None:
    now = {"cancelled_at": db.clock.now()}
    await db.notifications.update_one({"_id": notification}, {"$set": now})


async def test_a_lease_carries_the_whole_notification(db: Database) -> None:
    notification = await _stored(db)
    lease = await expansions.take(db, notification.id, "token", LEASE)
    assert lease == expansions.ExpansionLease(notification, "token", None, resumed=False)


async def test_only_one_process_expands_a_notification(db: Database) -> None:
    for _ in range(10):
        notification = await _stored(db)
        leases = await asyncio.gather(
            *(expansions.take(db, notification.id, f"token {n}", LEASE) for n in range(4))
        )
        (held,) = [lease for lease in leases if lease]
        assert (await _document(db, notification.id))["expansion"]["owner"] == held.token


async def test_a_lease_moves_the_sweep_to_its_end(db: Database) -> None:
    notification = await _stored(db)
    await expansions.take(db, notification.id, "token", LEASE)
    stored = await _document(db, notification.id)
    assert stored["sweep_at"] == stored["expansion"]["until"]
    assert timedelta(seconds=25) < stored["sweep_at"] - datetime.now(UTC) <= LEASE
    assert await expansions.due(db, datetime.now(UTC), 10) == []
    assert await expansions.due(db, stored["sweep_at"], 10) == [notification.id]


async def test_an_expansion_left_half_way_is_taken_up_from_its_cursor(db: Database) -> None:
    notification = await _stored(db)
    await expansions.take(db, notification.id, "first", LEASE)
    assert await expansions.checkpoint(db, notification.id, "first", "0:$b", LEASE)
    assert await expansions.take(db, notification.id, "second", LEASE) is None
    await _end_lease(db, notification.id)
    lease = await expansions.take(db, notification.id, "second", LEASE)
    assert lease is not None
    assert (lease.cursor, lease.resumed) == ("0:$b", True)
    assert not await expansions.checkpoint(db, notification.id, "first", "0:c", LEASE)
    assert not await expansions.finish(db, notification.id, "first", SOON)
    assert "expected" not in await _document(db, notification.id)


async def test_the_cursor_never_moves_back(db: Database) -> None:
    notification = await _stored(db)
    await expansions.take(db, notification.id, "token", LEASE)
    for cursor in ("0:b", "1:a", "0:z"):
        assert await expansions.checkpoint(db, notification.id, "token", cursor, LEASE)
    assert (await _document(db, notification.id))["expansion"]["cursor"] == "1:a"


async def test_a_checkpoint_renews_the_lease(db: Database) -> None:
    notification = await _stored(db)
    await expansions.take(db, notification.id, "token", SECOND)
    await expansions.checkpoint(db, notification.id, "token", "0:a", LEASE)
    stored = await _document(db, notification.id)
    assert stored["expansion"]["until"] - datetime.now(UTC) > timedelta(seconds=25)
    assert stored["sweep_at"] == stored["expansion"]["until"]


async def test_a_late_checkpoint_keeps_a_lease_that_nobody_took(db: Database) -> None:
    notification = await _stored(db)
    await expansions.take(db, notification.id, "token", LEASE)
    await _end_lease(db, notification.id)
    assert await expansions.checkpoint(db, notification.id, "token", "0:a", LEASE)
    assert await expansions.take(db, notification.id, "other", LEASE) is None


async def test_what_is_given_back_can_be_taken_at_once(db: Database) -> None:
    notification = await _stored(db)
    await expansions.take(db, notification.id, "first", LEASE)
    await expansions.checkpoint(db, notification.id, "first", "0:b", LEASE)
    await expansions.give_back(db, notification.id, "somebody else")
    assert await expansions.take(db, notification.id, "second", LEASE) is None
    await expansions.give_back(db, notification.id, "first")
    assert await expansions.due(db, datetime.now(UTC), 10) == [notification.id]
    lease = await expansions.take(db, notification.id, "second", LEASE)
    assert lease is not None
    assert (lease.cursor, lease.resumed) == ("0:b", True)


async def test_a_scheduled_notification_is_expanded_when_its_time_comes(db: Database) -> None:
    later = db.clock.now() + timedelta(hours=1)
    notification = await _stored(db, send_at=later)
    assert await expansions.take(db, notification.id, "token", LEASE) is None
    assert await expansions.due(db, db.clock.now(), 10) == []
    assert await expansions.due(db, later, 10) == [notification.id]
    past = {"send_at": db.clock.now() - SECOND}
    await db.notifications.update_one({"_id": notification.id}, {"$set": past})
    assert await expansions.take(db, notification.id, "token", LEASE) is not None


async def test_a_cancelled_expansion_stops_and_is_never_taken(db: Database) -> None:
    running, waiting = await _stored(db), await _stored(db)
    await expansions.take(db, running.id, "token", LEASE)
    for notification in (running, waiting):
        await _cancel(db, notification.id)
        await _end_lease(db, notification.id)
    assert not await expansions.checkpoint(db, running.id, "token", "0:a", LEASE)
    assert await expansions.take(db, waiting.id, "other", LEASE) is None
    assert await expansions.take(db, running.id, "other", LEASE) is None
    assert await expansions.due(db, datetime.now(UTC), 10) == []


async def test_finishing_counts_what_is_stored_once(db: Database) -> None:
    notification = await _stored(db)
    new = [new_delivery(notification.id, f"r{n}") for n in range(5)]
    new += [new_delivery(notification.id, f"r{n}", Channel.SMS) for n in range(2)]
    # Of another notification, whose deliveries lie in the same range of ids.
    twin = UUID(int=notification.id.int ^ 1)
    await deliveries.insert(db, [*new, new_delivery(twin, "r9")], GRACE)
    await expansions.take(db, notification.id, "token", LEASE)
    assert await expansions.finish(db, notification.id, "token", SOON)
    stored = await notifications.get(db, notification.id)
    assert stored is not None
    assert stored.expected == 7
    assert stored.expected_by_channel == {"email": 5, "sms": 2}
    assert stored.expanded_at is not None
    document = await _document(db, notification.id)
    assert "expansion" not in document
    assert document["sweep_at"] == stored.expanded_at + SOON
    await deliveries.insert(db, [new_delivery(notification.id, "late")], GRACE)
    assert not await expansions.finish(db, notification.id, "token", SOON)
    assert (await _document(db, notification.id))["expected"] == 7


async def test_an_empty_audience_is_expanded_with_nothing_expected(db: Database) -> None:
    notification = await _stored(db)
    await expansions.take(db, notification.id, "token", LEASE)
    assert await expansions.finish(db, notification.id, "token", SOON)
    stored = await notifications.get(db, notification.id)
    assert stored is not None
    assert (stored.expected, stored.expected_by_channel) == (0, {})
    assert await expansions.take(db, notification.id, "other", LEASE) is None
    assert await expansions.due(db, db.clock.now() + timedelta(days=1), 10) == []


async def test_what_is_due_comes_oldest_first_up_to_the_limit(db: Database) -> None:
    ids = []
    for ago in (3, 1, 2):
        notification = await _stored(db)
        past = {"sweep_at": datetime.now(UTC) - timedelta(minutes=ago)}
        await db.notifications.update_one({"_id": notification.id}, {"$set": past})
        ids.append(notification.id)
    assert await expansions.due(db, datetime.now(UTC), 2) == [ids[0], ids[2]]


async def test_postponing_skips_what_has_been_leased_or_expanded_since(db: Database) -> None:
    waiting, leased, expanded = [await _stored(db) for _ in range(3)]
    until = datetime.now(UTC)
    ids = [waiting.id, leased.id, expanded.id]
    assert set(await expansions.due(db, until, 10)) == set(ids)
    for notification in (leased, expanded):
        await expansions.take(db, notification.id, "token", LEASE)
    await expansions.finish(db, expanded.id, "token", timedelta(0))
    before = [await _document(db, i) for i in ids[1:]]
    await expansions.postpone(db, ids, until, SOON)
    assert [await _document(db, i) for i in ids[1:]] == before
    moved = (await _document(db, waiting.id))["sweep_at"] - until
    assert timedelta(0) < moved < SOON + timedelta(seconds=5)


@pytest.mark.parametrize("token", ["token", "other"])
async def test_an_unknown_notification_is_nobodys(db: Database, token: str) -> None:
    unknown = uuid7()
    assert await expansions.take(db, unknown, token, LEASE) is None
    assert not await expansions.checkpoint(db, unknown, token, "a", LEASE)
    assert not await expansions.finish(db, unknown, token, SOON)
    await expansions.give_back(db, unknown, token)


async def test_the_lease_is_renewed_before_each_piece_that_is_counted(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A count that outlasts the lease must not end with the run in two hands."""
    monkeypatch.setattr(counting, "FAST", 0.0)
    monkeypatch.setattr(counting, "SLOW", 60.0)
    monkeypatch.setattr(counting, "FIRST_PIECE", SLICES // 8)
    notification = await _stored(db)
    await deliveries.insert(db, [new_delivery(notification.id, f"r{n}") for n in range(80)], GRACE)
    await expansions.take(db, notification.id, "token", SECOND)
    async with profiled(db, db.notifications) as seen:
        assert await expansions.finish(db, notification.id, "token", SOON)
    assert len([entry for entry in seen if entry["op"] == "update"]) == 8 + 1
    assert (await _document(db, notification.id))["expected"] == 80


async def test_a_run_that_another_took_is_not_counted_to_its_end(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "FAST", 0.0)
    monkeypatch.setattr(counting, "SLOW", 60.0)
    notification = await _stored(db)
    await expansions.take(db, notification.id, "other", LEASE)
    async with profiled(db, db.deliveries) as seen:
        assert not await expansions.finish(db, notification.id, "token", SOON)
    assert seen == []
