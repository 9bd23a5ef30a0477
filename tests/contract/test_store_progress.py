"""How far a notification is, counted by a real MongoDB, and the freezing of its totals."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from tests.support.deliveries import GRACE, insert_pending, new_delivery
from tests.support.profiling import profiled
from tests.support.progress import KEEP, NOTHING, as_stored, expanding, insert, made, settle

from fogbell.identity import uuid7
from fogbell.model.status import Channel, DeliveryStatus
from fogbell.store import deliveries, expansions, progress, sweeping
from fogbell.store.database import Database
from fogbell.store.progress import Unsettled

S = DeliveryStatus
EMAIL, INBOX = Channel.EMAIL, Channel.INBOX


async def _insert_some(db: Database, notification: UUID) -> None:
    for number, status in enumerate(S, start=1):
        await insert(db, notification, status, number)
    item = new_delivery(notification, "ann", INBOX, status=S.DELIVERED, item={"title": "Hi"})
    await deliveries.insert(db, [item], GRACE)


async def test_delivered_ones_are_what_was_expected_less_the_others(db: Database) -> None:
    notification = await made(db, {"email": 28, "inbox": 1})
    await _insert_some(db, notification)
    reached = await progress.progress(db, notification)
    assert reached is not None
    by_status = {status: number for number, status in enumerate(S, start=1)}
    assert reached.by_channel == {EMAIL: by_status, INBOX: {S.DELIVERED: 1}}
    assert reached.totals == by_status | {S.DELIVERED: by_status[S.DELIVERED] + 1}
    assert reached.as_of is None
    assert reached.outstanding == by_status[S.PENDING] + by_status[S.SENDING] + by_status[S.FAILED]


async def test_dead_ones_are_never_counted_as_delivered(db: Database) -> None:
    notification = await made(db, {"email": 3})
    await insert(db, notification, S.DEAD, 3)
    reached = await progress.progress(db, notification)
    assert reached is not None
    assert reached.totals == NOTHING | {S.DEAD: 3}


async def test_while_it_is_expanding_nothing_is_said_about_delivered_ones(db: Database) -> None:
    notification = await made(db, None)
    await insert(db, notification, S.DELIVERED, 2)
    await insert(db, notification, S.PENDING, 1)
    reached = await progress.progress(db, notification)
    assert reached is not None
    assert reached.by_channel == {EMAIL: {S.PENDING: 1}}


async def test_while_it_is_expanding_delivered_ones_are_of_what_is_known_to_be_there(
    db: Database,
) -> None:
    """Or a throttled run would show none for hours."""
    notification = await expanding(db, 10)
    await insert(db, notification, S.DELIVERED, 8)
    await insert(db, notification, S.PENDING, 4)
    reached = await progress.progress(db, notification)
    assert reached is not None
    assert reached.by_channel == {EMAIL: {S.PENDING: 4, S.DELIVERED: 6}}
    assert reached.as_of == (await as_stored(db, notification))["expansion"]["reached_at"]
    assert await expansions.finish(db, notification, "token", GRACE)
    reached = await progress.progress(db, notification)
    assert reached is not None
    assert (reached.totals[S.DELIVERED], reached.as_of) == (8, None)


async def test_an_unknown_notification_has_no_progress(db: Database) -> None:
    assert await progress.progress(db, uuid7()) is None


async def test_progress_is_counted_from_the_index_alone(db: Database) -> None:
    notification = await made(db, {"email": 1_000})
    await insert(db, notification, S.DELIVERED, 900)
    await insert(db, notification, S.DEAD, 60)
    await insert_pending(db, 40, notification=notification)
    await insert_pending(db, 500)
    async with profiled(db, db.deliveries) as seen:
        await progress.progress(db, notification)
    # That there are few enough to count them is known.
    (count,) = seen
    assert "IXSCAN { notification_id: 1, status: 1, channel: 1, _id: 1 }" in count["planSummary"]
    assert count["docsExamined"] == 0
    # One key more for each range of statuses that the scan skips.
    assert 100 <= count["keysExamined"] <= 100 + len(S)


async def test_a_delivery_that_changes_while_it_is_counted_is_counted_once(db: Database) -> None:
    """Its index entry moves: without one moment to read, it is met twice or not at all."""
    notification = await made(db, {"email": 4_001})
    (moving,) = await insert(db, notification, S.PENDING, 1)
    await insert(db, notification, S.DEAD, 4_000)
    counting = asyncio.Event()

    async def move() -> None:
        while not counting.is_set():
            for status in (S.SENDING, S.DEAD):
                await db.deliveries.update_one({"_id": moving}, {"$set": {"status": status}})

    mover = asyncio.create_task(move())
    seen = [await progress.progress(db, notification) for _ in range(25)]
    counting.set()
    await mover
    assert [reached.totals[S.DELIVERED] for reached in seen if reached] == [0] * 25
    assert {sum(reached.totals.values()) for reached in seen if reached} == {4_001}


async def test_totals_are_frozen_once_nothing_is_outstanding(db: Database) -> None:
    notification = await made(db, {"email": 6})
    await insert(db, notification, S.DELIVERED, 3)
    for status in (S.DEAD, S.SKIPPED, S.CANCELLED):
        await insert(db, notification, status, 1)
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    assert await settle(db) == ([notification], [])
    frozen = await progress.progress(db, notification)
    # What outlives the deliveries: they are gone, the totals are not.
    await db.deliveries.delete_many({})
    assert await progress.progress(db, notification) == frozen
    assert frozen is not None
    assert frozen.totals == NOTHING | {S.DELIVERED: 3, S.DEAD: 1, S.SKIPPED: 1, S.CANCELLED: 1}
    stored = await as_stored(db, notification)
    assert before <= stored["settled_at"] <= datetime.now(UTC)
    assert stored["purge_at"] == stored["settled_at"] + KEEP
    assert not {"sweep_at", "summary"} & stored.keys()
    assert await progress.due_for_settling(db, db.clock.now() + KEEP, 10) == []


@pytest.mark.parametrize("status", [S.PENDING, S.SENDING, S.FAILED])
async def test_what_is_outstanding_is_looked_at_again_later(db: Database, status: S) -> None:
    notification = await made(db, {"email": 2})
    await insert(db, notification, status, 1)
    await insert(db, notification, S.DELIVERED, 1)
    before = datetime.now(UTC)
    for looks in (1, 2):
        settled, (reached,) = await settle(db)
        assert (settled, reached.outstanding) == ([], 1)
        assert reached.totals == NOTHING | {status: 1, S.DELIVERED: 1}
        stored = await as_stored(db, notification)
        assert stored["settle_checks"] == looks
        again_in = stored["sweep_at"] - before
        assert abs(again_in - timedelta(seconds=10 * looks)) < timedelta(seconds=5)
        due = {"$set": {"sweep_at": before}}
        await db.notifications.update_one({"_id": notification}, due)
    await db.deliveries.update_many({}, {"$set": {"status": "delivered"}})
    assert (await settle(db))[0] == [notification]


async def test_a_notification_with_nothing_expected_is_settled(db: Database) -> None:
    notification = await made(db, {})
    assert await settle(db) == ([notification], [])
    reached = await progress.progress(db, notification)
    assert reached is not None
    assert (reached.totals, reached.by_channel) == (NOTHING, {})


async def test_several_notifications_are_settled_each_by_its_own_count(db: Database) -> None:
    done, waiting, expanding = [await made(db, e) for e in ({"email": 1}, {"email": 2}, None)]
    await insert(db, done, S.DELIVERED, 1)
    await insert_pending(db, 2, notification=waiting)
    await insert_pending(db, 1, notification=expanding)
    settled, unsettled = await settle(db)
    assert (settled, [p.outstanding for p in unsettled]) == ([done], [2])
    assert "settled_at" not in await as_stored(db, expanding)


async def test_settling_at_the_same_time_freezes_once(db: Database) -> None:
    notification = await made(db, {"email": 1})
    candidates = [Unsettled(notification, {"email": 1})]
    await asyncio.gather(
        *(progress.settle(db, candidates, lambda _: timedelta(0), KEEP) for _ in range(4))
    )
    stored = await as_stored(db, notification)
    assert stored["frozen"] == {"email": {"delivered": 1}}
    assert stored["purge_at"] == stored["settled_at"] + KEEP


async def test_a_slow_look_never_thaws_what_is_settled(db: Database) -> None:
    notification = await made(db, {"email": 1})
    await insert_pending(db, 1, notification=notification)
    candidates = await progress.due_for_settling(db, db.clock.now(), 10)
    await db.deliveries.update_many({}, {"$set": {"status": "delivered"}})
    await settle(db)
    before = await as_stored(db, notification)
    await db.deliveries.update_many({}, {"$set": {"status": "pending"}})
    await progress.settle(db, candidates, lambda _: timedelta(0), KEEP)
    assert await as_stored(db, notification) == before


async def test_nobody_to_settle_is_no_error(db: Database) -> None:
    assert await progress.settle(db, [], lambda _: timedelta(0), KEEP) == ([], [])


async def test_the_gauges_count_may_take_longer_than_other_operations(db: Database) -> None:
    async with profiled(db, db.deliveries) as seen:
        await sweeping.outstanding(db)
    assert seen[0]["command"]["maxTimeMS"] > 100_000


async def test_what_is_postponed_is_due_later(db: Database) -> None:
    notification = await made(db, {"email": 1})
    await progress.postpone(db, [notification], timedelta(minutes=1))
    assert await progress.due_for_settling(db, db.clock.now(), 10) == []
    later = db.clock.now() + timedelta(minutes=1)
    assert [c.id for c in await progress.due_for_settling(db, later, 10)] == [notification]
