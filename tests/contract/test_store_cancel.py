"""Cancelling a notification: marked first, settled in pages, by whoever comes by."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from tests.support.changes import NOW, make_due, settle_due, statuses, store_run, stored
from tests.support.deliveries import (
    GRACE,
    LEASE,
    attempt,
    documents,
    insert_chunk,
    new_delivery,
    take,
)
from tests.support.notifications import new_notification
from tests.support.profiling import profiled

from fogbell.identity import uuid7
from fogbell.model.status import Cause, DeliveryStatus, NotificationStatus
from fogbell.policy import Verdict
from fogbell.store import (
    cancelling,
    chunks,
    claims,
    deliveries,
    expansions,
    notifications,
    progress,
    records,
)
from fogbell.store.chunks import Chunk
from fogbell.store.database import Database
from fogbell.store.records import Record

S = DeliveryStatus
HOUR = timedelta(hours=1)


async def unexpanded(db: Database, **fields: object) -> UUID:
    now = db.clock.now()
    notification = new_notification(created_at=now, **fields)
    post = notifications.Accept(notification, [], now, NotificationStatus.EXPANDING)
    await notifications.accept(db, [post], GRACE)
    return notification.id


async def cancel(db: Database, notification: UUID, pages: int | None = None) -> bool:
    assert await cancelling.mark(db, notification, GRACE)
    return await cancelling.settle(db, notification, NOW, pages)


async def test_what_is_pending_or_failed_is_settled_and_nothing_else_is_touched(
    db: Database,
) -> None:
    run = await store_run(db, dict.fromkeys(S, 2))
    other = await store_run(db, {S.PENDING: 1})
    assert await cancel(db, run)
    assert await statuses(db, run) == {
        "cancelled": 6, "sending": 2, "delivered": 2, "dead": 2, "skipped": 2,
    }  # fmt: skip
    assert await statuses(db, other) == {"pending": 1}
    settled = await db.deliveries.find_one({"reason": "cancelled"})
    assert settled is not None
    assert settled["settled_at"]
    assert not {"sweep_at", "not_before", "alone", "releases"} & settled.keys()


async def test_totals_are_frozen_once_nothing_is_being_sent(db: Database) -> None:
    run = await store_run(db, {S.PENDING: 2, S.DELIVERED: 3})
    await deliveries.insert(db, [new_delivery(run, "in flight")], GRACE)
    await db.notifications.update_one({"_id": run}, {"$set": {"expected_by_channel.email": 6}})
    flying = new_delivery(run, "in flight").id
    (claimed,) = await claims.claim(db, [flying], "token", LEASE)
    assert await cancel(db, run)
    assert await settle_due(db) == []
    await records.record(db, [Record(claimed, Verdict(Cause.CANCEL, "cancelled"), attempt())])
    await make_due(db, run)
    assert await settle_due(db) == [run]
    document = await stored(db, run)
    assert document["frozen"] == {"email": {"cancelled": 3, "delivered": 3}}
    assert {"settled_at", "purge_at", "cancelled_at"} <= document.keys()
    assert not {"sweep_at", "cancelling"} & document.keys()


async def test_only_what_is_not_settled_is_cancelled_and_once(db: Database) -> None:
    run = await store_run(db, {S.PENDING: 1})
    assert await cancelling.mark(db, run, GRACE)
    first = await stored(db, run)
    assert not await cancelling.mark(db, run, GRACE)
    assert await stored(db, run) == first
    settled = await store_run(db, {S.DELIVERED: 1})
    await settle_due(db)
    before = await stored(db, settled)
    assert not await cancelling.mark(db, settled, GRACE)
    assert not await cancelling.settle(db, settled, NOW)
    assert await stored(db, settled) == before
    assert not await cancelling.mark(db, uuid7(), GRACE)


async def test_what_a_process_left_half_way_is_gone_on_with(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cancelling, "PAGE", 3)
    run = await store_run(db, {S.PENDING: 5, S.FAILED: 5})
    assert not await cancel(db, run, pages=2)
    assert (await statuses(db, run))["cancelled"] == 6
    assert await cancelling.due(db, db.clock.now(), 10) == []
    await make_due(db, run)
    # Its totals are not looked at before its pages are done.
    assert await settle_due(db) == []
    assert await cancelling.due(db, db.clock.now(), 10) == [run]
    assert not await cancelling.settle(db, run, NOW, pages=1)
    await cancelling.postpone(db, run)
    assert await cancelling.due(db, db.clock.now(), 10) == [run]
    assert await cancelling.settle(db, run, NOW, pages=3)
    assert await cancelling.due(db, db.clock.now(), 10) == []
    assert await settle_due(db) == [run]
    assert (await stored(db, run))["frozen"] == {"email": {"cancelled": 10}}


async def test_a_crash_right_after_the_mark_is_found_by_the_sweep(db: Database) -> None:
    run = await store_run(db, {S.PENDING: 2})
    await cancelling.mark(db, run, NOW)
    assert await cancelling.due(db, db.clock.now() + GRACE, 10) == [run]


async def test_several_at_once_do_no_harm(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancelling, "PAGE", 4)
    run = await store_run(db, {S.PENDING: 30})
    marks = await asyncio.gather(*(cancelling.mark(db, run, GRACE) for _ in range(4)))
    assert sorted(marks) == [False, False, False, True]
    await asyncio.gather(*(cancelling.settle(db, run, NOW) for _ in range(4)))
    assert await settle_due(db) == [run]
    assert await statuses(db, run) == {"cancelled": 30}


async def test_a_scheduled_one_is_settled_with_nobody_in_it(db: Database) -> None:
    run = await unexpanded(db, send_at=db.clock.now() + HOUR)
    assert await cancel(db, run)
    assert await settle_due(db) == [run]
    document = await stored(db, run)
    assert (document["expected"], document["frozen"]) == (0, {})
    assert await expansions.take(db, run, "late", LEASE) is None


async def test_an_expansion_under_way_is_stopped_and_counted_when_it_has_ended(
    db: Database,
) -> None:
    run = await unexpanded(db)
    assert await expansions.take(db, run, "expander", LEASE)
    await deliveries.insert(db, [new_delivery(run, "first page")], GRACE)
    assert not await cancel(db, run)
    assert await statuses(db, run) == {"cancelled": 1}
    # Its pages may still come in: the sweep waits for the end of its lease.
    await cancelling.postpone(db, run)
    until = (await stored(db, run))["expansion"]["until"]
    assert (await stored(db, run))["sweep_at"] == until
    assert not await expansions.checkpoint(db, run, "expander", "1:1", LEASE)
    await deliveries.insert(db, [new_delivery(run, "second page")], GRACE)
    await expansions.give_back(db, run, "expander")
    assert await cancelling.due(db, db.clock.now() + GRACE, 10) == [run]
    assert await cancelling.settle(db, run, NOW)
    assert await settle_due(db) == [run]
    assert (await stored(db, run))["frozen"] == {"email": {"cancelled": 2}}
    assert (await stored(db, run))["expected"] == 2


async def test_an_expansion_that_finishes_all_the_same_is_cancelled_whole(db: Database) -> None:
    run = await unexpanded(db)
    await expansions.take(db, run, "expander", LEASE)
    assert not await cancel(db, run)
    await deliveries.insert(db, [new_delivery(run, "last page")], GRACE)
    assert await expansions.finish(db, run, "expander", NOW)
    await make_due(db, run)
    assert await settle_due(db) == []
    assert await cancelling.settle(db, run, NOW)
    assert await settle_due(db) == [run]
    assert await statuses(db, run) == {"cancelled": 1}


async def test_a_page_of_a_cancellation_reads_no_more_than_it_settles(db: Database) -> None:
    run = await store_run(db, {S.DELIVERED: 50, S.DEAD: 50, S.PENDING: 2, S.FAILED: 1})
    async with profiled(db, db.deliveries) as seen:
        assert await cancel(db, run)
    # Each once to see whether it is in a chunk, and once to settle it.
    assert sum(entry["docsExamined"] for entry in seen) == 2 * 3
    # One key more for each range of statuses that the scan skips.
    assert sum(entry["keysExamined"] for entry in seen) < 12
    reached = await progress.progress(db, run)
    assert reached is not None
    assert (reached.totals[S.CANCELLED], reached.totals[S.DELIVERED]) == (3, 50)


async def test_a_chunk_that_nobody_works_on_is_cancelled_and_taken_by_nobody(db: Database) -> None:
    chunk = await insert_chunk(db, 5)
    run = await _run_of(db, chunk)
    assert await cancel(db, run)
    assert await statuses(db, run) == {"cancelled": 5}
    assert await chunks.take(db, chunk, "late", LEASE) is None
    assert all("chunk" not in d for d in (await documents(db, chunk.ids)).values())


async def test_a_chunk_that_is_being_sent_is_left_to_who_sends_it(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cancelling, "PAGE", 3)
    chunk = await insert_chunk(db, 7)
    run = await _run_of(db, chunk)
    await deliveries.insert(db, [new_delivery(run, f"loose {n}") for n in range(4)], GRACE)
    claimed = await take(db, chunk)
    assert await cancel(db, run), "it does not wait for them"
    assert await statuses(db, run) == {"pending": 7, "cancelled": 4}
    ends = [Record(c, Verdict(Cause.CANCEL, "cancelled")) for c in claimed]
    assert not (await records.record(db, ends)).lost
    assert await statuses(db, run) == {"cancelled": 11}


async def test_a_chunk_is_looked_at_once_however_many_pages_it_is_on(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cancelling, "PAGE", 2)
    chunk = await insert_chunk(db, 9)
    run = await _run_of(db, chunk)
    async with profiled(db, db.chunks) as seen:
        assert await cancel(db, run)
    assert await statuses(db, run) == {"cancelled": 9}
    assert [entry["op"] for entry in seen] == ["update"]


async def _run_of(db: Database, chunk: Chunk) -> UUID:
    """A run that is expanded, and to which the deliveries of ``chunk`` belong from now on."""
    run = await store_run(db, {})
    await db.deliveries.update_many(
        {"_id": {"$in": list(chunk.ids)}}, {"$set": {"notification_id": run}}
    )
    return run
