"""Sweeping a real MongoDB: what is due is found at the cost of what is due, and moved ahead."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from tests.support.deliveries import (
    GRACE,
    LEASE,
    age,
    attempt,
    claim_all,
    document,
    documents,
    insert_pending,
    lose_leases,
    new_delivery,
)
from tests.support.profiling import profiled

from fogbell.identity import uuid7
from fogbell.model.outcome import Outcome
from fogbell.model.status import Cause, Channel, DeliveryStatus, Lane
from fogbell.policy import Verdict
from fogbell.store import claims, deliveries, sweeping
from fogbell.store.database import Database, Document
from fogbell.store.records import ATTEMPTS_KEPT, Record, record
from fogbell.store.sweeping import Due

EMAIL, BULK = Channel.EMAIL, Lane.BULK
SECOND = timedelta(seconds=1)
CAP = timedelta(minutes=10)
NEVER_ALONE = 3


async def _page(
    db: Database, *, limit: int = 100, since: datetime | None = None, lane: Lane = BULK
) -> Due:
    now = datetime.now(UTC)
    return await sweeping.due_page(db, lane, EMAIL, since=since, until=now, limit=limit)


async def _insert_due(db: Database, number: int, ago: timedelta = SECOND) -> list[UUID]:
    ids = await insert_pending(db, number, lane=BULK)
    await age(db, ids, sweep_at=ago)
    return ids


async def _expire(db: Database, ids: list[UUID], limit: int = NEVER_ALONE) -> int:
    await lose_leases(db, ids)
    return await sweeping.expire_leases(db, ids, GRACE, limit)


async def test_nothing_is_due_before_its_time(db: Database) -> None:
    await insert_pending(db, 3, lane=BULK)
    assert await _page(db) == Due()
    now, then = db.clock.now(), db.clock.now() + timedelta(days=1)
    assert await sweeping.oldest_due(db, BULK, EMAIL, None, now) is None
    assert await sweeping.oldest_due(db, BULK, EMAIL, None, then) is not None
    assert await sweeping.oldest_due(db, BULK, EMAIL, then, then) is None
    assert await sweeping.oldest_due(db, BULK, Channel.SMS, None, then) is None


async def test_a_page_holds_one_lane_and_channel(db: Database) -> None:
    wanted = await _insert_due(db, 2)
    for lane in Lane:
        for channel in Channel:
            if (lane, channel) != (BULK, EMAIL):
                others = await insert_pending(db, 1, lane=lane, channel=channel)
                await age(db, others, sweep_at=SECOND)
    due = await _page(db)
    assert (set(due.together), due.alone, due.overdue) == (set(wanted), [], [])


async def test_pages_come_oldest_first_and_say_whether_there_is_more(db: Database) -> None:
    ages = [timedelta(seconds=n) for n in (5, 50, 20, 10)]
    ids = [(await _insert_due(db, 1, ago))[0] for ago in ages]
    first = await _page(db, limit=3)
    assert first.together == [ids[1], ids[2], ids[3]]
    assert first.full
    assert first.last == (await document(db, ids[3]))["sweep_at"]
    second = await _page(db, since=first.last)
    assert second.together == [ids[3], ids[0]]
    assert not second.full


async def test_a_page_tells_what_has_to_be_done_about_each(db: Database) -> None:
    pending, failed, lost, held = await insert_pending(db, 4, lane=BULK)
    claimed = await claim_all(db, [failed, lost, held])
    tried = attempt(Outcome.TRANSIENT)
    later = Verdict(Cause.RETRY_LATER, "greylisted", 0.0)
    await record(db, [Record(claimed[failed], later, tried)])
    await _expire(db, [lost])
    await age(db, [pending, failed, lost, held], sweep_at=SECOND)
    due = await _page(db)
    assert set(due.together) == {pending, failed}
    assert (due.alone, due.overdue, due.failed) == ([lost], [held], 2)


async def _settle_many(db: Database, number: int) -> None:
    notification = uuid7()
    settled = [
        new_delivery(notification, f"r{n}", lane=BULK, status=DeliveryStatus.DELIVERED)
        for n in range(number)
    ]
    await deliveries.insert(db, settled, GRACE)


async def test_a_sweep_costs_what_is_due_and_not_what_is_stored(db: Database) -> None:
    await _settle_many(db, 10_000)
    await insert_pending(db, 500, lane=BULK)
    await _insert_due(db, 40)
    async with profiled(db, db.deliveries) as seen:
        due = await _page(db)
        await sweeping.oldest_due(db, BULK, EMAIL, None, db.clock.now())
    assert len(due.together) == 40
    page, oldest = (e for e in seen if e["op"] == "query")
    # The one key more is the first one past the window.
    assert page["planSummary"].startswith("IXSCAN { lane: 1, channel: 1, sweep_at: 1 }")
    assert page["nreturned"] == page["docsExamined"] == 40
    assert page["keysExamined"] <= 41
    assert not page.get("hasSortStage")
    assert oldest["keysExamined"] == 1


async def test_an_empty_sweep_reads_nothing(db: Database) -> None:
    await _settle_many(db, 1_000)
    async with profiled(db, db.deliveries) as seen:
        assert await _page(db) == Due()
    assert (seen[0]["keysExamined"], seen[0]["docsExamined"]) == (0, 0)


async def test_moving_forward_finds_its_documents_by_id(db: Database) -> None:
    ids = await _insert_due(db, 50)
    await _insert_due(db, 50)
    async with profiled(db, db.deliveries) as seen:
        assert await sweeping.move_forward(db, ids, GRACE, CAP) == 50
    (update,) = (e for e in seen if e["op"] == "update")
    assert update["planSummary"] == "IXSCAN { _id: 1 }"
    assert update["docsExamined"] == 50


async def test_the_grace_doubles_at_each_release_up_to_its_cap(db: Database) -> None:
    (one,) = await _insert_due(db, 1)
    spans = []
    for _ in range(8):
        before = datetime.now(UTC)
        assert await sweeping.move_forward(db, [one], GRACE, CAP) == 1
        spans.append(round(((await document(db, one))["sweep_at"] - before) / GRACE))
        await age(db, [one], sweep_at=SECOND)
    assert spans == [1, 2, 4, 8, 16, 20, 20, 20]


@pytest.mark.parametrize("grace", [timedelta(milliseconds=1), GRACE, timedelta(days=30)])
async def test_the_cap_holds_after_any_number_of_releases(db: Database, grace: timedelta) -> None:
    (one,) = await _insert_due(db, 1)
    await db.deliveries.update_one({"_id": one}, {"$set": {"releases": 1_000_000}})
    before = datetime.now(UTC)
    assert await sweeping.move_forward(db, [one], grace, CAP) == 1
    moved = (await document(db, one))["sweep_at"] - before
    assert abs(moved - CAP) < timedelta(seconds=5)


async def test_a_retry_starts_with_the_first_grace_again(db: Database) -> None:
    (one,) = await _insert_due(db, 1)
    await sweeping.move_forward(db, [one], GRACE, CAP)
    held = await claim_all(db, [one])
    later = Verdict(Cause.RETRY_LATER, "greylisted", 0.0)
    await record(db, [Record(held[one], later, attempt(Outcome.TRANSIENT))])
    assert "releases" not in await document(db, one)


async def test_only_what_is_still_due_is_moved(db: Database) -> None:
    due, claimed, moved, settled = await _insert_due(db, 4)
    held = await claim_all(db, [claimed, settled])
    await lose_leases(db, [claimed])
    await record(db, [Record(held[settled], Verdict(Cause.ACCEPTED), attempt())])
    assert await sweeping.move_forward(db, [moved], GRACE, CAP) == 1
    before = await documents(db, [claimed, moved, settled])
    assert await sweeping.move_forward(db, [due, claimed, moved, settled], GRACE, CAP) == 1
    assert await documents(db, [claimed, moved, settled]) == before


async def test_a_moved_delivery_can_still_be_claimed(db: Database) -> None:
    (one,) = await _insert_due(db, 1)
    await sweeping.move_forward(db, [one], GRACE, CAP)
    assert [c.id for c in await claims.claim(db, [one], "token", LEASE)] == [one]


async def test_an_expired_lease_becomes_failed_and_says_so(db: Database) -> None:
    (one,) = await insert_pending(db, lane=BULK)
    await claim_all(db, [one], "gone")
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    assert await _expire(db, [one]) == 1
    stored = await document(db, one)
    assert (stored["status"], stored["reason"]) == ("failed", "lease_expired")
    assert (stored["lost_owner"], "owner" in stored, stored["lost_leases"]) == ("gone", False, 1)
    assert stored["attempt_count"] == 0
    (entry,) = stored["attempts"]
    assert (entry["number"], entry["outcome"]) == (1, "lease_expired")
    assert before <= stored["not_before"] <= datetime.now(UTC)
    assert stored["sweep_at"] == stored["not_before"] + GRACE
    assert "settled_at" not in stored


async def test_a_lease_that_still_runs_does_not_expire(db: Database) -> None:
    held, pending = await insert_pending(db, 2)
    await claim_all(db, [held])
    await age(db, [pending], sweep_at=SECOND)
    before = await documents(db, [held, pending])
    assert await sweeping.expire_leases(db, [held, pending], GRACE, NEVER_ALONE) == 0
    assert await documents(db, [held, pending]) == before


async def test_a_lease_that_was_claimed_anew_does_not_expire(db: Database) -> None:
    """A sweep that read its page and then slept must not end somebody's new lease."""
    (one,) = await insert_pending(db)
    await claim_all(db, [one], "first")
    assert await _expire(db, [one]) == 1
    await claim_all(db, [one], "second", alone=True)
    assert await sweeping.expire_leases(db, [one], GRACE, NEVER_ALONE) == 0
    assert (await document(db, one))["owner"] == "second"


async def _lose(
    db: Database, one: UUID, token: str, *, alone: bool, limit: int = NEVER_ALONE
) -> Document:
    await claim_all(db, [one], token, alone=alone)
    assert await _expire(db, [one], limit) == 1
    return await document(db, one)


async def test_three_lost_leases_alone_are_the_end(db: Database) -> None:
    (one,) = await insert_pending(db, lane=BULK)
    assert (await _lose(db, one, "batch", alone=False))["status"] == "failed"
    for number in (1, 2):
        stored = await _lose(db, one, f"alone {number}", alone=True)
        assert (stored["status"], stored["lost_alone"]) == ("failed", number)
    stored = await _lose(db, one, "alone 3", alone=True)
    assert (stored["status"], stored["reason"]) == ("dead", "lost_leases")
    assert (stored["lost_leases"], stored["attempt_count"]) == (4, 0)
    assert "sweep_at" not in stored
    assert stored["settled_at"] is not None
    assert await claims.claim(db, [one], "again", LEASE) == []


async def test_lost_leases_fill_a_history_of_bounded_length(db: Database) -> None:
    (one,) = await insert_pending(db)
    for number in range(ATTEMPTS_KEPT + 3):
        stored = await _lose(db, one, f"{number}", alone=number > 0, limit=100)
    assert (stored["status"], stored["lost_leases"]) == ("failed", ATTEMPTS_KEPT + 3)
    assert len(stored["attempts"]) == ATTEMPTS_KEPT


async def test_what_has_lost_a_lease_is_released_alone_until_it_is_settled(db: Database) -> None:
    (one,) = await insert_pending(db, lane=BULK)
    await _lose(db, one, "first", alone=False)
    await age(db, [one], sweep_at=SECOND)
    assert (await _page(db)).alone == [one]
    held = await claim_all(db, [one], "second", alone=True)
    later = Verdict(Cause.RETRY_LATER, "greylisted", 0.0)
    await record(db, [Record(held[one], later, attempt(Outcome.TRANSIENT))])
    await age(db, [one], sweep_at=SECOND)
    assert (await _page(db)).alone == [one]


async def test_sweeps_at_the_same_time_move_and_expire_each_delivery_once(db: Database) -> None:
    for _ in range(8):
        due, held = await _insert_due(db, 30), await insert_pending(db, 30, lane=BULK)
        await claim_all(db, held)
        await lose_leases(db, held)
        moved = await asyncio.gather(
            *(sweeping.move_forward(db, ids, GRACE, CAP) for ids in (due, due[::-1], due))
        )
        ended = await asyncio.gather(
            *(sweeping.expire_leases(db, i, GRACE, NEVER_ALONE) for i in (held, held[::-1], held))
        )
        assert (sum(moved), sum(ended)) == (30, 30)
        assert {d["releases"] for d in (await documents(db, due)).values()} == {1}
        assert {d["lost_leases"] for d in (await documents(db, held)).values()} == {1}


async def test_a_record_and_an_expiry_at_the_same_time_leave_one_of_two_endings(
    db: Database,
) -> None:
    """Whoever comes first, an accepted delivery ends delivered, once."""
    for lap in range(15):
        ids = await insert_pending(db, 10, lane=BULK)
        held = await claim_all(db, ids, f"lap {lap}")
        await lose_leases(db, ids)
        bulk = [Record(d, Verdict(Cause.ACCEPTED), attempt()) for d in held.values()]
        result, expired = await asyncio.gather(
            record(db, bulk), sweeping.expire_leases(db, ids, GRACE, NEVER_ALONE)
        )
        assert (len(result.lost), len(result.late)) == (expired, expired)
        stored = (await documents(db, ids)).values()
        assert {(d["status"], d["attempt_count"]) for d in stored} == {("delivered", 1)}
