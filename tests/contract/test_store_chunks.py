"""Leases on chunks against a real MongoDB: who gets one, what it fences, and how it ends."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.deliveries import (
    GRACE,
    LEASE,
    attempt,
    claim_all,
    documents,
    insert_chunk,
    insert_pending,
    outlast,
    take,
)

from fogbell.model.outcome import Outcome
from fogbell.model.status import Cause, Lane
from fogbell.policy import Verdict
from fogbell.store import chunks, claims, records, sweeping
from fogbell.store.database import Database, Document
from fogbell.store.records import Record

VERDICTS = {
    "accepted": (Verdict(Cause.ACCEPTED), attempt()),
    "after another": (Verdict(Cause.ACCEPTED), replace(attempt(), earlier=(attempt(),))),
    "retry": (Verdict(Cause.RETRY_LATER, "busy", 60.0), attempt(Outcome.TRANSIENT)),
    "give up": (Verdict(Cause.GIVE_UP, "refused"), attempt(Outcome.PERMANENT)),
    "skip": (Verdict(Cause.SKIP, "suppressed"), None),
    "cancel": (Verdict(Cause.CANCEL, "cancelled"), None),
    "release": (Verdict(Cause.RELEASE, "rate_limited", 60.0), None),
}


async def test_of_many_one_takes_a_chunk_and_nothing_is_written_to_its_deliveries(
    db: Database,
) -> None:
    chunk = await insert_chunk(db, 5)
    before = await documents(db, chunk.ids)
    taken = await asyncio.gather(*(chunks.take(db, chunk, f"h{n}", LEASE) for n in range(10)))
    (claimed,) = [found for found in taken if found]
    assert {(c.id, c.token, c.chunked) for c in claimed} == {(i, "chunk", True) for i in chunk.ids}
    assert await documents(db, chunk.ids) == before


async def test_what_is_in_a_chunk_is_not_claimed_by_itself(db: Database) -> None:
    chunk = await insert_chunk(db, 3)
    assert await claims.claim(db, chunk.ids, "batch", LEASE) == []
    assert await claims.claim(db, chunk.ids[:1], "single", LEASE, alone=True) == []


async def test_an_ended_lease_can_be_taken_again_and_holds_what_is_left(db: Database) -> None:
    chunk = await insert_chunk(db, 3)
    first, *others = await take(db, chunk, "first")
    await records.record(db, [Record(first, Verdict(Cause.ACCEPTED), attempt())])
    await chunks.end(db, chunk.token, "somebody else")
    assert await chunks.take(db, chunk, "second", LEASE) is None
    await chunks.end(db, chunk.token, "first")
    left = await chunks.take(db, chunk, "second", LEASE)
    assert left is not None
    assert {c.id for c in left} == {c.id for c in others}


async def test_a_lease_is_taken_or_made_void_and_never_both(db: Database) -> None:
    made = [await insert_chunk(db, 1, f"chunk-{n}") for n in range(20)]
    tokens = [chunk.token for chunk in made]
    taking = asyncio.gather(*(chunks.take(db, chunk, "holder", LEASE) for chunk in made))
    held = await chunks.void(db, tokens)
    taken = await taking
    assert {c.token for found in taken if found for c in found} == held
    assert await chunks.void(db, tokens) == held, "it says so each time"
    for chunk in made:
        assert await chunks.take(db, chunk, "late", LEASE) is None


async def test_what_many_make_void_at_once_is_void_for_each_of_them(db: Database) -> None:
    tokens = [f"chunk-{n}" for n in range(200)]
    assert await asyncio.gather(*(chunks.void(db, tokens) for _ in range(5))) == [set()] * 5
    assert await db.chunks.count_documents({"void_at": {"$exists": True}}) == 200


async def test_an_overdue_lease_is_taken_over_once_and_ended_by_who_did(db: Database) -> None:
    chunk = await insert_chunk(db, 2)
    await take(db, chunk)
    assert not await chunks.seize(db, chunks.Overdue(chunk, "holder"), "too early")
    await outlast(db, chunk)
    (over,) = await chunks.overdue(db, 10)
    assert await chunks.seize(db, over, "sweep")
    assert not await chunks.seize(db, over, "another sweep")
    await chunks.end(db, chunk.token, "holder")
    assert await chunks.take(db, chunk, "late", LEASE) is None, "its holder has ended nothing"
    (again,) = await chunks.overdue(db, 10)
    assert again.holder == "sweep", "the next sweep goes on, should this one end here"


async def test_what_is_given_back_leaves_its_chunk_and_is_due_at_once(db: Database) -> None:
    chunk = await insert_chunk(db, 3)
    await take(db, chunk)
    unsent = chunk.ids[1:]
    assert await claims.release(db, unsent, "another chunk", chunked=True) == 0
    assert await claims.release(db, unsent, chunk.token, chunked=True) == 2
    stored = await documents(db, chunk.ids)
    assert stored.pop(chunk.ids[0])["chunk"] == chunk.token
    for document in stored.values():
        assert (document["status"], document["attempt_count"]) == ("pending", 0)
        assert "chunk" not in document
        assert document["sweep_at"] <= db.clock.now() + timedelta(seconds=1)
    await claim_all(db, unsent)


async def test_nothing_to_make_void_asks_nothing(db: Database) -> None:
    assert await chunks.void(db, []) == set()


@pytest.mark.parametrize("verdict", VERDICTS)
async def test_a_record_leaves_what_it_leaves_of_a_delivery_claimed_by_itself(
    db: Database, verdict: str
) -> None:
    chunk = await insert_chunk(db, 2)
    held = {c.id: c for c in await take(db, chunk)}
    alone = await insert_pending(db, 2, lane=Lane.BULK)
    held |= await claim_all(db, alone, "claim")
    entries = [Record(delivery, *VERDICTS[verdict]) for delivery in held.values()]
    for _ in range(2):
        outcome = await records.record(db, entries)
        assert (outcome.lost, outcome.late) == (frozenset(), frozenset()), "twice is once"
    stored = await documents(db, held)
    assert all(d["owner"] == held[d["_id"]].token for d in stored.values())
    shapes = [_shape(d) for d in stored.values()]
    assert all(shape == shapes[0] for shape in shapes)
    assert shapes[0]["claims"] == 1


def _shape(document: Document) -> Document:
    """What does not differ between two deliveries of the same fate; times to the second or so."""
    own = {"_id", "notification_id", "recipient_id", "owner"}
    times = {"created_at", "settled_at", "sweep_at", "not_before"}
    return {k: k if k in times else v for k, v in document.items() if k not in own}


async def test_a_lease_ends_by_the_clock_of_mongodb(db: Database) -> None:
    chunk = await insert_chunk(db)
    db.clock._offset = timedelta(hours=1)
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    await chunks.take(db, chunk, "holder", LEASE)
    stored = await db.chunks.find_one({"_id": chunk.token})
    assert stored is not None
    assert before + LEASE <= stored["until"] <= datetime.now(UTC) + LEASE
    assert await chunks.overdue(db, 10) == []


async def test_what_outlasted_its_lease_is_failed_and_told_as_a_claim_is(db: Database) -> None:
    chunk = await insert_chunk(db, 3)
    recorded, *others = await take(db, chunk)
    await records.record(db, [Record(recorded, Verdict(Cause.ACCEPTED), attempt())])
    await outlast(db, chunk)
    (over,) = await chunks.overdue(db, 10)
    assert (over.chunk.token, over.holder) == (chunk.token, "holder")
    left = await chunks.unrecorded(db, over.chunk)
    assert set(left) == {c.id for c in others}
    assert await sweeping.expire_leases(db, chunk.ids, GRACE, 3, chunk.token) == 2
    stored = await documents(db, chunk.ids)
    assert stored.pop(recorded.id)["status"] == "delivered"
    for document in stored.values():
        assert (document["status"], document["lost_owner"]) == ("failed", chunk.token)
        assert (document["lost_leases"], document["claims"]) == (1, 1)
        assert document["attempts"][-1]["outcome"] == "lease_expired"
        assert not {"chunk", "owner", "alone"} & document.keys()


async def test_who_outlasted_the_lease_changes_nothing_but_saves_what_was_accepted(
    db: Database,
) -> None:
    chunk = await insert_chunk(db, 2)
    accepted, refused = await take(db, chunk)
    await outlast(db, chunk)
    await sweeping.expire_leases(db, chunk.ids, GRACE, 3, chunk.token)
    outcome = await records.record(
        db,
        [
            Record(accepted, Verdict(Cause.ACCEPTED), attempt()),
            Record(refused, Verdict(Cause.GIVE_UP, "refused"), attempt(Outcome.PERMANENT)),
        ],
    )
    assert outcome.lost == {accepted.id, refused.id}
    assert outcome.late == {accepted.id}
    stored = await documents(db, chunk.ids)
    assert (stored[accepted.id]["status"], stored[refused.id]["status"]) == ("delivered", "failed")
    assert stored[accepted.id]["claims"] == 1
