"""Claims against a real MongoDB: who gets a delivery, when, and how it is given back."""

import asyncio
from collections.abc import Sequence
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

from fogbell.identity import uuid7
from fogbell.model.delivery import Claimed
from fogbell.model.outcome import Outcome
from fogbell.model.status import Cause, Channel, DeliveryStatus, Lane
from fogbell.policy import Verdict
from fogbell.store import claims, deliveries, records, sweeping
from fogbell.store.database import Database

SETTLING = {
    DeliveryStatus.DELIVERED: Verdict(Cause.ACCEPTED),
    DeliveryStatus.DEAD: Verdict(Cause.GIVE_UP, "refused"),
    DeliveryStatus.SKIPPED: Verdict(Cause.SKIP, "no_address"),
    DeliveryStatus.CANCELLED: Verdict(Cause.CANCEL, "cancelled"),
}


async def _settled(db: Database, status: DeliveryStatus) -> UUID:
    (one,) = await insert_pending(db)
    held = await claim_all(db, [one])
    tried = attempt() if status is DeliveryStatus.DELIVERED else None
    await records.record(db, [records.Record(held[one], SETTLING[status], tried)])
    return one


async def _with_one_of_each(db: Database) -> tuple[list[UUID], list[UUID]]:
    """Ids that can be claimed, and ids that cannot."""
    pending, failed, early, held, soon = await insert_pending(db, 5)
    await db.deliveries.update_one({"_id": failed}, {"$set": {"status": "failed"}})
    await age(db, [failed], not_before=timedelta(milliseconds=1))
    await age(db, [early], not_before=-timedelta(hours=1))
    await age(db, [soon], not_before=-timedelta(seconds=20))
    await claim_all(db, [held], "somebody else")
    settled = [await _settled(db, status) for status in SETTLING]
    return [pending, failed], [early, soon, held, uuid7(), *settled]


async def test_only_what_is_due_and_unclaimed_is_claimed(db: Database) -> None:
    due, others = await _with_one_of_each(db)
    claimed = await claims.claim(db, [*others, *due], "mine", LEASE)
    assert {c.id for c in claimed} == set(due)


async def test_a_single_id_is_claimed_by_the_same_rules_as_a_batch(db: Database) -> None:
    due, others = await _with_one_of_each(db)
    before = await documents(db, others)
    for one in [*due, *others]:
        claimed = await claims.claim(db, [one], f"mine {one}", LEASE)
        assert [c.id for c in claimed] == ([one] if one in due else [])
    assert await documents(db, others) == before


async def test_a_batch_and_a_single_claim_write_the_same(db: Database) -> None:
    one, two, three = await insert_pending(db, 3)
    batch = await claim_all(db, [one, two], "token")
    single = await claim_all(db, [three], "token")
    written = await documents(db, [one, two, three])
    shapes = {
        frozenset((k, v) for k, v in d.items() if k not in {"_id", "recipient_id", "sweep_at"})
        for d in written.values()
    }
    assert len(shapes) == 1
    assert {type(c) for c in [*batch.values(), *single.values()]} == {Claimed}
    assert single[three].notification_id == batch[one].notification_id


async def test_a_claim_carries_everything_that_sending_needs(db: Database) -> None:
    inline = {"addresses": {"email": "x@example.org"}, "locale": "de", "data": {"$seat": "7.C"}}
    new = new_delivery(channel=Channel.WEBHOOK, lane=Lane.BULK, inline=inline)
    before = db.clock.now()
    await deliveries.insert(db, [new], GRACE)
    (claimed,) = await claims.claim(db, [new.id], "token", LEASE)
    assert before <= claimed.created_at <= db.clock.now()
    expected = Claimed(
        new.id,
        "token",
        new.notification_id,
        "ann",
        Channel.WEBHOOK,
        Lane.BULK,
        claimed.created_at,
        inline=inline,
    )
    assert claimed == expected


async def test_a_lease_ends_by_the_clock_of_mongodb(db: Database) -> None:
    ids = await insert_pending(db, 2)
    # This process's clock is an hour off, either way: it must not matter.
    db.clock._offset = timedelta(hours=1)
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    await claim_all(db, ids)
    after = datetime.now(UTC)
    for stored in (await documents(db, ids)).values():
        assert before + LEASE <= stored["sweep_at"] <= after + LEASE


async def test_what_is_early_by_the_clock_of_mongodb_is_not_claimed(db: Database) -> None:
    early, due = await insert_pending(db, 2)
    await age(db, [early], not_before=-timedelta(seconds=30))
    await age(db, [due], not_before=timedelta(0))
    db.clock._offset = timedelta(hours=1)
    for token, ids in (("batch", [early, due]), ("single", [early])):
        claimed = await claims.claim(db, ids, token, LEASE)
        assert early not in {c.id for c in claimed}


async def test_ids_that_nobody_knows_and_no_ids_are_no_error(db: Database) -> None:
    assert await claims.claim(db, [], "token", LEASE) == []
    assert await claims.claim(db, [uuid7()], "token", LEASE) == []
    assert await claims.claim(db, [uuid7(), uuid7()], "token", LEASE) == []


async def test_the_same_id_twice_in_a_batch_is_claimed_once(db: Database) -> None:
    (one,) = await insert_pending(db)
    claimed = await claims.claim(db, [one, one], "token", LEASE)
    assert [c.id for c in claimed] == [one]
    assert (await document(db, one))["claims"] == 1


@pytest.mark.parametrize("size", [1, 7])
async def test_claimers_at_the_same_time_never_share_a_delivery(db: Database, size: int) -> None:
    for lap in range(15):
        ids = await insert_pending(db, size)
        orders: Sequence[list[UUID]] = [ids, ids[::-1], ids]
        results = await asyncio.gather(
            *(claims.claim(db, order, f"{lap}-{n}", LEASE) for n, order in enumerate(orders))
        )
        taken = [c.id for claimed in results for c in claimed]
        assert sorted(taken) == sorted(ids)
        owners = {c.id: c.token for claimed in results for c in claimed}
        stored = await documents(db, ids)
        assert {i: d["owner"] for i, d in stored.items()} == owners
        assert {d["claims"] for d in stored.values()} == {1}


async def test_overlapping_batches_share_out_what_they_have_in_common(db: Database) -> None:
    for lap in range(10):
        ids = await insert_pending(db, 30)
        left, right = await asyncio.gather(
            claims.claim(db, ids[:20], f"left {lap}", LEASE),
            claims.claim(db, ids[10:], f"right {lap}", LEASE),
        )
        taken = [c.id for c in (*left, *right)]
        assert sorted(taken) == sorted(ids)


async def test_released_ones_can_be_claimed_again_and_no_attempt_is_counted(db: Database) -> None:
    ids = await insert_pending(db, 3)
    await claim_all(db, ids, "first")
    assert await claims.release(db, ids, "first", after=timedelta(seconds=5)) == 3
    for stored in (await documents(db, ids)).values():
        assert stored["status"] == "pending"
        assert stored["attempt_count"] == 0
        assert not {"owner", "alone", "attempts"} & stored.keys()
        due_in = stored["sweep_at"] - datetime.now(UTC)
        assert timedelta(seconds=4) < due_in <= timedelta(seconds=5)
    again = await claim_all(db, ids, "second")
    assert {c.attempt_count for c in again.values()} == {0}


async def test_release_gives_back_only_what_the_token_holds(db: Database) -> None:
    mine, others, settled = await insert_pending(db, 3)
    held = await claim_all(db, [mine, settled], "mine")
    await claim_all(db, [others], "others")
    done = records.Record(held[settled], Verdict(Cause.ACCEPTED), attempt())
    await records.record(db, [done])
    assert await claims.release(db, [mine, others, settled, uuid7()], "mine") == 1
    stored = await documents(db, [mine, others, settled])
    assert [stored[i]["status"] for i in (mine, others, settled)] == [
        "pending",
        "sending",
        "delivered",
    ]


async def test_a_release_after_the_lease_was_lost_changes_nothing(db: Database) -> None:
    ids = await insert_pending(db, 2)
    await claim_all(db, ids, "slow")
    await lose_leases(db, ids)
    await sweeping.expire_leases(db, ids, GRACE, lost_alone_limit=3)
    before = await documents(db, ids)
    assert await claims.release(db, ids, "slow") == 0
    await claim_all(db, ids[:1], "quick", alone=True)
    assert await claims.release(db, ids, "slow") == 0
    assert (await document(db, ids[1])) == before[ids[1]]
    assert (await document(db, ids[0]))["owner"] == "quick"


@pytest.mark.parametrize("company", [0, 2])
async def test_what_has_lost_a_lease_is_claimed_alone_or_not_at_all(
    db: Database, company: int
) -> None:
    """A batch that ended its worker comes again: it must not end the next one as well."""
    ids = await insert_pending(db, 1 + company)
    await claim_all(db, ids[:1], "gone")
    await lose_leases(db, ids[:1])
    await sweeping.expire_leases(db, ids[:1], GRACE, lost_alone_limit=3)
    claimed = await claims.claim(db, ids, "batch", LEASE)
    assert {c.id for c in claimed} == set(ids[1:])
    await claim_all(db, ids[:1], "alone", alone=True)


async def test_a_release_keeps_the_backoff_and_the_history(db: Database) -> None:
    (one,) = await insert_pending(db)
    held = await claim_all(db, [one], "first")
    later = Verdict(Cause.RETRY_LATER, "greylisted", 0.0)
    tried = attempt(Outcome.TRANSIENT, code="451")
    await records.record(db, [records.Record(held[one], later, tried)])
    again = await claim_all(db, [one], "second")
    assert again[one].attempt_count == 1
    await claims.release(db, [one], "second")
    stored = await document(db, one)
    assert (stored["status"], stored["attempt_count"]) == ("pending", 1)
    assert [entry["number"] for entry in stored["attempts"]] == [1]


async def test_a_claim_alone_is_marked_and_the_next_one_is_not(db: Database) -> None:
    (one,) = await insert_pending(db)
    await claim_all(db, [one], "first", alone=True)
    assert (await document(db, one))["alone"] is True
    await db.deliveries.update_one({"_id": one}, {"$set": {"status": "failed"}})
    await claim_all(db, [one], "second")
    assert "alone" not in await document(db, one)


def test_tokens_are_never_the_same() -> None:
    assert len({claims.new_token() for _ in range(10_000)}) == 10_000
