"""How far a notification is, counted by a real MongoDB, and the freezing of its totals."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from tests.support.deliveries import GRACE, insert_pending, new_delivery
from tests.support.notifications import new_notification
from tests.support.profiling import profiled

from fogbell import identity
from fogbell.identity import uuid7
from fogbell.model.notification import Progress
from fogbell.model.status import Channel, DeliveryStatus, NotificationStatus
from fogbell.store import counting, deliveries, expansions, notifications, progress, sweeping
from fogbell.store.database import Database, Document
from fogbell.store.progress import Unsettled

S = DeliveryStatus
EMAIL, INBOX = Channel.EMAIL, Channel.INBOX
KEEP = timedelta(days=30)
NOTHING = dict.fromkeys(S, 0)


async def _notification(db: Database, expected: dict[str, int] | None) -> UUID:
    """An expanded notification where ``expected`` is given; it is due for settling."""
    now = db.clock.now()
    number = None if expected is None else sum(expected.values())
    notification = new_notification(
        created_at=now,
        expanded_at=None if expected is None else now,
        expected=number,
        expected_by_channel=expected,
    )
    post = notifications.Accept(notification, [], now, NotificationStatus.SENDING)
    await notifications.accept(db, [post], GRACE)
    return notification.id


async def _insert(db: Database, notification: UUID, status: S, number: int) -> list[UUID]:
    new = [new_delivery(notification, f"{status} {n}", status=status) for n in range(number)]
    await deliveries.insert(db, new, GRACE)
    return [delivery.id for delivery in new]


async def _insert_some(db: Database, notification: UUID) -> None:
    for number, status in enumerate(S, start=1):
        await _insert(db, notification, status, number)
    item = new_delivery(notification, "ann", INBOX, status=S.DELIVERED, item={"title": "Hi"})
    await deliveries.insert(db, [item], GRACE)


async def _settle(db: Database) -> tuple[list[UUID], list[Progress]]:
    due = await progress.due_for_settling(db, db.clock.now(), 100)
    return await progress.settle(db, due, lambda looks: timedelta(seconds=10 * (looks + 1)), KEEP)


async def _stored(db: Database, notification: UUID) -> Document:
    found = await db.notifications.find_one({"_id": notification})
    assert found is not None
    return dict(found)


async def test_delivered_ones_are_what_was_expected_less_the_others(db: Database) -> None:
    notification = await _notification(db, {"email": 28, "inbox": 1})
    await _insert_some(db, notification)
    reached = await progress.progress(db, notification)
    assert reached is not None
    by_status = {status: number for number, status in enumerate(S, start=1)}
    assert reached.by_channel == {EMAIL: by_status, INBOX: {S.DELIVERED: 1}}
    assert reached.totals == by_status | {S.DELIVERED: by_status[S.DELIVERED] + 1}
    assert reached.as_of is None
    assert reached.outstanding == by_status[S.PENDING] + by_status[S.SENDING] + by_status[S.FAILED]


async def test_dead_ones_are_never_counted_as_delivered(db: Database) -> None:
    notification = await _notification(db, {"email": 3})
    await _insert(db, notification, S.DEAD, 3)
    reached = await progress.progress(db, notification)
    assert reached is not None
    assert reached.totals == NOTHING | {S.DEAD: 3}


async def test_while_it_is_expanding_nothing_is_said_about_delivered_ones(db: Database) -> None:
    notification = await _notification(db, None)
    await _insert(db, notification, S.DELIVERED, 2)
    await _insert(db, notification, S.PENDING, 1)
    reached = await progress.progress(db, notification)
    assert reached is not None
    assert reached.by_channel == {EMAIL: {S.PENDING: 1}}


async def _expanding(db: Database, inserted: int) -> UUID:
    """A run that has been told to have so many deliveries by now."""
    notification = await _notification(db, None)
    await expansions.take(db, notification, "token", GRACE)
    given = {"email": inserted}
    assert await expansions.checkpoint(db, notification, "token", "3:x", GRACE, inserted=given)
    return notification


async def test_while_it_is_expanding_delivered_ones_are_of_what_is_known_to_be_there(
    db: Database,
) -> None:
    """Or a throttled run would show none for hours."""
    notification = await _expanding(db, 10)
    await _insert(db, notification, S.DELIVERED, 8)
    await _insert(db, notification, S.PENDING, 4)
    reached = await progress.progress(db, notification)
    assert reached is not None
    assert reached.by_channel == {EMAIL: {S.PENDING: 4, S.DELIVERED: 6}}
    assert reached.as_of == (await _stored(db, notification))["expansion"]["reached_at"]
    assert await expansions.finish(db, notification, "token", GRACE)
    reached = await progress.progress(db, notification)
    assert reached is not None
    assert (reached.totals[S.DELIVERED], reached.as_of) == (8, None)


async def test_a_large_run_has_a_summary_while_it_is_expanding_and_none_of_it_after(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "EXACT_LIMIT", 20)
    notification = await _expanding(db, 30)
    await _insert(db, notification, S.SKIPPED, 20)
    await progress.summarise(db, notification, "token", {"email": 30})
    assert "summary" not in await _stored(db, notification)
    await _insert(db, notification, S.DEAD, 1)
    await progress.summarise(db, notification, "other", {"email": 30})
    assert "summary" not in await _stored(db, notification)
    await progress.summarise(db, notification, "token", {"email": 30})
    await _insert(db, notification, S.PENDING, 5)
    reached = await progress.progress(db, notification)
    assert reached is not None
    assert reached.totals == NOTHING | {S.SKIPPED: 20, S.DEAD: 1, S.DELIVERED: 9}
    assert reached.as_of is not None
    # It says that nothing is outstanding, which holds of a part alone.
    await expansions.finish(db, notification, "token", GRACE)
    reached = await progress.progress(db, notification)
    assert reached is not None
    assert reached.outstanding == 5


async def _answered_by_the_summary(
    db: Database, monkeypatch: pytest.MonkeyPatch, notification: UUID
) -> Progress:
    """As if nothing were settled since: then nothing is asked of the deliveries."""
    monkeypatch.setattr(progress, "FASTEST", 0)
    async with profiled(db, db.deliveries) as seen:
        reached = await progress.progress(db, notification)
    assert reached is not None
    assert reached.as_of is not None
    assert not seen
    return reached


async def test_when_a_large_expansion_ends_its_count_is_the_summary(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or all of it would be counted for each request until the next sweep."""
    monkeypatch.setattr(progress, "EXACT_LIMIT", 20)
    notification = await _expanding(db, 10)
    await _insert(db, notification, S.PENDING, 21)
    await _insert(db, notification, S.DELIVERED, 4)
    await progress.summarise(db, notification, "token", {"email": 10})
    assert await expansions.finish(db, notification, "token", GRACE)
    reached = await _answered_by_the_summary(db, monkeypatch, notification)
    assert reached.totals == NOTHING | {S.PENDING: 21, S.DELIVERED: 4}


async def test_when_a_small_expansion_ends_it_is_counted_for_each_request(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "EXACT_LIMIT", 20)
    notification = await _expanding(db, 10)
    await _insert(db, notification, S.PENDING, 20)
    await _insert(db, notification, S.DELIVERED, 4)
    assert await expansions.finish(db, notification, "token", GRACE)
    assert "summary" not in await _stored(db, notification)


@pytest.mark.parametrize("status", [S.PENDING, S.DEAD])
async def test_a_request_never_counts_all_of_a_large_run(
    db: Database, monkeypatch: pytest.MonkeyPatch, status: S
) -> None:
    """Where there is no summary yet it estimates, and tells of when."""
    notification = await _slow_pieces(db, monkeypatch, status)
    monkeypatch.setattr(progress, "EXACT_LIMIT", 20)
    monkeypatch.setattr(progress, "REQUEST_SECONDS", 0.0)
    async with profiled(db, db.deliveries) as seen:
        reached = await progress.progress(db, notification)
    assert reached is not None
    assert reached.as_of is not None
    assert 300 < reached.totals[status] < 1200
    assert sum(entry["keysExamined"] for entry in seen) < 300


async def test_an_unknown_notification_has_no_progress(db: Database) -> None:
    assert await progress.progress(db, uuid7()) is None


async def test_progress_is_counted_from_the_index_alone(db: Database) -> None:
    notification = await _notification(db, {"email": 1_000})
    await _insert(db, notification, S.DELIVERED, 900)
    await _insert(db, notification, S.DEAD, 60)
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
    notification = await _notification(db, {"email": 4_001})
    (moving,) = await _insert(db, notification, S.PENDING, 1)
    await _insert(db, notification, S.DEAD, 4_000)
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
    notification = await _notification(db, {"email": 6})
    await _insert(db, notification, S.DELIVERED, 3)
    for status in (S.DEAD, S.SKIPPED, S.CANCELLED):
        await _insert(db, notification, status, 1)
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    assert await _settle(db) == ([notification], [])
    frozen = await progress.progress(db, notification)
    # What outlives the deliveries: they are gone, the totals are not.
    await db.deliveries.delete_many({})
    assert await progress.progress(db, notification) == frozen
    assert frozen is not None
    assert frozen.totals == NOTHING | {S.DELIVERED: 3, S.DEAD: 1, S.SKIPPED: 1, S.CANCELLED: 1}
    stored = await _stored(db, notification)
    assert before <= stored["settled_at"] <= datetime.now(UTC)
    assert stored["purge_at"] == stored["settled_at"] + KEEP
    assert not {"sweep_at", "summary"} & stored.keys()
    assert await progress.due_for_settling(db, db.clock.now() + KEEP, 10) == []


@pytest.mark.parametrize("status", [S.PENDING, S.SENDING, S.FAILED])
async def test_what_is_outstanding_is_looked_at_again_later(db: Database, status: S) -> None:
    notification = await _notification(db, {"email": 2})
    await _insert(db, notification, status, 1)
    await _insert(db, notification, S.DELIVERED, 1)
    before = datetime.now(UTC)
    for looks in (1, 2):
        settled, (reached,) = await _settle(db)
        assert (settled, reached.outstanding) == ([], 1)
        assert reached.totals == NOTHING | {status: 1, S.DELIVERED: 1}
        stored = await _stored(db, notification)
        assert stored["settle_checks"] == looks
        again_in = stored["sweep_at"] - before
        assert abs(again_in - timedelta(seconds=10 * looks)) < timedelta(seconds=5)
        due = {"$set": {"sweep_at": before}}
        await db.notifications.update_one({"_id": notification}, due)
    await db.deliveries.update_many({}, {"$set": {"status": "delivered"}})
    assert (await _settle(db))[0] == [notification]


async def test_a_notification_with_nothing_expected_is_settled(db: Database) -> None:
    notification = await _notification(db, {})
    assert await _settle(db) == ([notification], [])
    reached = await progress.progress(db, notification)
    assert reached is not None
    assert (reached.totals, reached.by_channel) == (NOTHING, {})


async def test_several_notifications_are_settled_each_by_its_own_count(db: Database) -> None:
    done, waiting, expanding = [
        await _notification(db, e) for e in ({"email": 1}, {"email": 2}, None)
    ]
    await _insert(db, done, S.DELIVERED, 1)
    await insert_pending(db, 2, notification=waiting)
    await insert_pending(db, 1, notification=expanding)
    settled, unsettled = await _settle(db)
    assert (settled, [p.outstanding for p in unsettled]) == ([done], [2])
    assert "settled_at" not in await _stored(db, expanding)


async def test_settling_at_the_same_time_freezes_once(db: Database) -> None:
    notification = await _notification(db, {"email": 1})
    candidates = [Unsettled(notification, {"email": 1})]
    await asyncio.gather(
        *(progress.settle(db, candidates, lambda _: timedelta(0), KEEP) for _ in range(4))
    )
    stored = await _stored(db, notification)
    assert stored["frozen"] == {"email": {"delivered": 1}}
    assert stored["purge_at"] == stored["settled_at"] + KEEP


async def test_a_slow_look_never_thaws_what_is_settled(db: Database) -> None:
    notification = await _notification(db, {"email": 1})
    await insert_pending(db, 1, notification=notification)
    candidates = await progress.due_for_settling(db, db.clock.now(), 10)
    await db.deliveries.update_many({}, {"$set": {"status": "delivered"}})
    await _settle(db)
    before = await _stored(db, notification)
    await db.deliveries.update_many({}, {"$set": {"status": "pending"}})
    await progress.settle(db, candidates, lambda _: timedelta(0), KEEP)
    assert await _stored(db, notification) == before


async def test_nobody_to_settle_is_no_error(db: Database) -> None:
    assert await progress.settle(db, [], lambda _: timedelta(0), KEEP) == ([], [])


async def _over_the_limit(db: Database, monkeypatch: pytest.MonkeyPatch, number: int) -> UUID:
    monkeypatch.setattr(progress, "EXACT_LIMIT", 20)
    monkeypatch.setattr(progress, "REQUEST_SECONDS", 60.0)
    notification = await _notification(db, {"email": number + 5})
    await _insert(db, notification, S.PENDING, number)
    return notification


async def test_far_above_the_limit_nothing_is_asked_of_the_deliveries(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    notification = await _over_the_limit(db, monkeypatch, 25)
    await _settle(db)
    reached = await _answered_by_the_summary(db, monkeypatch, notification)
    assert reached.totals == NOTHING | {S.PENDING: 25, S.DELIVERED: 5}


async def test_a_count_that_takes_long_is_not_waited_for_where_there_is_a_summary(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    notification = await _slow_pieces(db, monkeypatch, S.PENDING)
    monkeypatch.setattr(progress, "EXACT_LIMIT", 20)
    monkeypatch.setattr(progress, "REQUEST_SECONDS", 60.0)
    monkeypatch.setattr(progress, "FASTEST", 1_000_000_000)
    await _settle(db)
    await db.deliveries.update_many({}, {"$set": {"status": "delivered"}})
    exact = await progress.progress(db, notification)
    assert exact is not None
    assert (exact.totals[S.DELIVERED], exact.as_of) == (605, None)
    monkeypatch.setattr(progress, "REQUEST_SECONDS", 0.0)
    async with profiled(db, db.deliveries) as seen:
        summary = await progress.progress(db, notification)
    assert summary is not None
    assert summary.totals[S.PENDING] == 600
    assert summary.as_of is not None
    assert len(seen) == 1, "a piece"


async def test_above_the_limit_progress_is_the_sweeps_summary(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    notification = await _over_the_limit(db, monkeypatch, 21)
    before_any_sweep = await progress.progress(db, notification)
    assert before_any_sweep is not None
    assert before_any_sweep.totals[S.PENDING] == 21
    assert before_any_sweep.as_of is not None, "it may be an estimate"
    await _settle(db)
    await _insert(db, notification, S.DEAD, 3)
    async with profiled(db, db.deliveries) as seen:
        summary = await progress.progress(db, notification)
    assert summary is not None
    assert summary.totals == NOTHING | {S.PENDING: 21, S.DELIVERED: 5}
    assert summary.as_of is not None
    assert abs(datetime.now(UTC) - summary.as_of) < timedelta(seconds=5)
    assert not any(entry["docsExamined"] for entry in seen)


async def test_at_the_limit_progress_is_exact(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    notification = await _over_the_limit(db, monkeypatch, 21)
    await _settle(db)
    await db.deliveries.update_one({"status": "pending"}, {"$set": {"status": "delivered"}})
    reached = await progress.progress(db, notification)
    assert reached is not None
    assert (reached.totals[S.PENDING], reached.totals[S.DELIVERED]) == (20, 6)
    assert reached.as_of is None


async def test_the_gauges_count_may_take_longer_than_other_operations(db: Database) -> None:
    async with profiled(db, db.deliveries) as seen:
        await sweeping.outstanding(db)
    assert seen[0]["command"]["maxTimeMS"] > 100_000


async def _slow_pieces(db: Database, monkeypatch: pytest.MonkeyPatch, status: S) -> UUID:
    """A large run of 600, in pieces of an eighth of it each."""
    monkeypatch.setattr(progress, "LARGE", 500)
    monkeypatch.setattr(counting, "FAST", 0.0)
    monkeypatch.setattr(counting, "FIRST_PIECE", identity.SLICES // 8)
    notification = await _notification(db, {"email": 600, "inbox": 5})
    await _insert(db, notification, status, 600)
    return notification


async def test_no_command_counts_more_than_a_piece_of_a_large_run(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a run of millions could never be finished, nor settled."""
    notification = await _slow_pieces(db, monkeypatch, S.PENDING)
    async with profiled(db, db.deliveries) as seen:
        counted = await counting.count_expanded(db, notification)
        assert counting.expected_of(counted) == {"email": 600}
        _, (reached,) = await _settle(db)
    assert reached.totals == NOTHING | {S.PENDING: 600, S.DELIVERED: 5}
    examined = [entry["keysExamined"] for entry in seen]
    assert len(examined) == 16
    assert max(examined) < 200
    # The ids bound the scan of the index; no document is fetched for the second count.
    assert sum(examined[8:]) < 600 + 8 * len(S) * len(Channel)
    assert sum(entry["docsExamined"] for entry in seen[8:]) == 0


async def test_what_takes_too_long_to_count_is_estimated_while_anything_is_outstanding(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    notification = await _slow_pieces(db, monkeypatch, S.PENDING)
    counted = await counting.undelivered_of_large(db, notification, within=0)
    assert 300 < counted[EMAIL][S.PENDING] < 1200
    assert counted[EMAIL][S.PENDING] % 8 == 0


async def test_totals_are_never_frozen_by_an_estimate(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    notification = await _slow_pieces(db, monkeypatch, S.DEAD)
    counted = await counting.undelivered_of_large(db, notification, within=0)
    assert counted == {EMAIL: {S.DEAD: 600}}


def test_large_runs_are_looked_at_alone() -> None:
    sizes = [1, 2, progress.BATCH + 1, 3, progress.BATCH - 3, 1]
    candidates = [Unsettled(uuid7(), {"email": size}) for size in sizes]
    seen = [[sum(c.expected_by_channel.values()) for c in b] for b in progress.batches(candidates)]
    assert seen == [sizes[:2], sizes[2:3], sizes[3:5], sizes[5:]]
    assert list(progress.batches([])) == []


async def test_what_is_postponed_is_due_later(db: Database) -> None:
    notification = await _notification(db, {"email": 1})
    await progress.postpone(db, [notification], timedelta(minutes=1))
    assert await progress.due_for_settling(db, db.clock.now(), 10) == []
    later = db.clock.now() + timedelta(minutes=1)
    assert [c.id for c in await progress.due_for_settling(db, later, 10)] == [notification]
