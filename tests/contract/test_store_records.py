"""Records against a real MongoDB: what came of a claim is written once, behind the fence."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from tests.support.deliveries import (
    GRACE,
    LEASE,
    STARTED,
    attempt,
    claim_all,
    document,
    documents,
    insert_pending,
    lose_leases,
)

from fogbell.model.delivery import Claimed
from fogbell.model.outcome import Outcome
from fogbell.model.status import Cause
from fogbell.policy import Verdict
from fogbell.store import claims, deliveries, sweeping
from fogbell.store.database import Database, Document
from fogbell.store.records import ATTEMPTS_KEPT, Record, Recorded, record

ACCEPTED = Verdict(Cause.ACCEPTED)
NOTHING_LOST = Recorded()


def accepted(delivery: Claimed, **reply: str) -> Record:
    return Record(delivery, ACCEPTED, attempt(Outcome.ACCEPTED, **reply))


def failed(delivery: Claimed, delay: float = 0.0, **reply: str) -> Record:
    tried = attempt(Outcome.TRANSIENT, **reply)
    return Record(delivery, Verdict(Cause.RETRY_LATER, "greylisted", delay), tried)


def dead(delivery: Claimed) -> Record:
    tried = attempt(Outcome.PERMANENT, code="550", enhanced_code="5.1.1", detail="no such user")
    return Record(delivery, Verdict(Cause.GIVE_UP, "unknown_address"), tried)


async def _expire(db: Database, ids: list[UUID]) -> None:
    await lose_leases(db, ids)
    assert await sweeping.expire_leases(db, ids, GRACE, lost_alone_limit=3) == len(ids)


def _is_now(moment: datetime) -> bool:
    return abs(datetime.now(UTC) - moment) < timedelta(seconds=5)


async def test_accepted_ones_are_delivered_with_their_attempt(db: Database) -> None:
    ids = await insert_pending(db, 3)
    held = await claim_all(db, ids)
    assert await record(db, [accepted(d, code="250") for d in held.values()]) == NOTHING_LOST
    for stored in (await documents(db, ids)).values():
        assert (stored["status"], stored["attempt_count"]) == ("delivered", 1)
        assert stored["owner"] == "holder"
        assert _is_now(stored["settled_at"])
        assert not {"sweep_at", "not_before", "reason", "alone", "releases"} & stored.keys()
        assert stored["attempts"] == [
            {
                "number": 1,
                "provider": "relay-a",
                "started_at": STARTED,
                "finished_at": STARTED + timedelta(seconds=1),
                "outcome": "accepted",
                "code": "250",
            }
        ]


async def test_accepted_ones_of_other_providers_codes_and_claims_keep_their_own(
    db: Database,
) -> None:
    ids = await insert_pending(db, 6)
    first = await claim_all(db, ids[:4], "first")
    second = await claim_all(db, ids[4:], "second")
    held = {**first, **second}
    given = {i: ("ab"[n % 2], "250" if n < 3 else "252") for n, i in enumerate(ids)}
    bulk = [accepted(held[i], provider=p, code=c) for i, (p, c) in given.items()]
    assert await record(db, bulk) == NOTHING_LOST
    stored = await documents(db, ids)
    found = {i: (d["attempts"][0]["provider"], d["attempts"][0]["code"]) for i, d in stored.items()}
    assert found == given
    assert [stored[i]["owner"] for i in ids] == ["first"] * 4 + ["second"] * 2


async def test_a_failed_one_waits_for_its_backoff(db: Database) -> None:
    (one,) = await insert_pending(db)
    held = await claim_all(db, [one])
    before = datetime.now(UTC)
    assert await record(db, [failed(held[one], 90.0, code="451")]) == NOTHING_LOST
    after = datetime.now(UTC)
    stored = await document(db, one)
    assert (stored["status"], stored["reason"]) == ("failed", "greylisted")
    assert stored["attempt_count"] == 1
    delay = timedelta(seconds=90)
    assert before - timedelta(milliseconds=1) <= stored["not_before"] - delay <= after
    assert stored["sweep_at"] == stored["not_before"]
    assert "settled_at" not in stored
    assert await claims.claim(db, [one], "early", LEASE) == []


async def test_a_dead_one_keeps_the_reason_and_the_providers_words(db: Database) -> None:
    (one,) = await insert_pending(db)
    held = await claim_all(db, [one])
    assert await record(db, [dead(held[one])]) == NOTHING_LOST
    view = await deliveries.get(db, one)
    assert view is not None
    assert (view.status, view.reason, view.attempt_count) == ("dead", "unknown_address", 1)
    assert view.settled_at is not None
    assert view.attempts[0]["detail"] == "no such user"
    assert "sweep_at" not in await document(db, one)


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        (Verdict(Cause.SKIP, "no_address"), "skipped"),
        (Verdict(Cause.CANCEL, "cancelled"), "cancelled"),
        (Verdict(Cause.GIVE_UP, "expired"), "dead"),
    ],
)
async def test_what_is_settled_unsent_counts_no_attempt(
    db: Database, verdict: Verdict, status: str
) -> None:
    (one,) = await insert_pending(db)
    held = await claim_all(db, [one])
    assert await record(db, [Record(held[one], verdict)]) == NOTHING_LOST
    stored = await document(db, one)
    assert (stored["status"], stored["reason"]) == (status, verdict.reason)
    assert (stored["attempt_count"], "attempts" in stored) == (0, False)
    assert _is_now(stored["settled_at"])
    assert "sweep_at" not in stored


async def test_an_accepted_retry_forgets_why_it_failed_before(db: Database) -> None:
    (one,) = await insert_pending(db)
    held = await claim_all(db, [one], "first")
    await record(db, [failed(held[one])])
    held = await claim_all(db, [one], "second")
    await record(db, [accepted(held[one])])
    stored = await document(db, one)
    assert not {"reason", "not_before"} & stored.keys()
    assert [(a["number"], a["outcome"]) for a in stored["attempts"]] == [
        (1, "transient"),
        (2, "accepted"),
    ]


async def test_a_mixed_bulk_settles_each_in_its_own_way(db: Database) -> None:
    ids = await insert_pending(db, 5)
    held = list((await claim_all(db, ids)).values())
    skipped = Record(held[3], Verdict(Cause.SKIP, "suppressed"))
    bulk = [accepted(held[0]), failed(held[1]), dead(held[2]), skipped, accepted(held[4])]
    assert await record(db, bulk) == NOTHING_LOST
    stored = await documents(db, ids)
    assert [stored[r.delivery.id]["status"] for r in bulk] == [r.status.value for r in bulk]


async def test_nothing_to_record_is_no_error(db: Database) -> None:
    assert await record(db, []) == NOTHING_LOST


async def test_a_lost_lease_never_overwrites_a_newer_attempt(db: Database) -> None:
    ids = await insert_pending(db, 4)
    slow = await claim_all(db, ids, "slow")
    await _expire(db, ids)
    quick = await claim_all(db, ids, "quick", alone=True)
    await record(db, [accepted(quick[ids[0]]), failed(quick[ids[1]], 60.0), dead(quick[ids[2]])])
    before = await documents(db, ids)
    late = [dead(slow[ids[0]]), dead(slow[ids[1]]), accepted(slow[ids[2]]), failed(slow[ids[3]])]
    assert await record(db, late) == Recorded(lost=frozenset(ids))
    assert await documents(db, ids) == before


async def test_a_late_failure_of_an_expired_lease_is_lost(db: Database) -> None:
    ids = await insert_pending(db, 2)
    held = await claim_all(db, ids)
    await _expire(db, ids)
    before = await documents(db, ids)
    result = await record(db, [failed(held[ids[0]]), dead(held[ids[1]])])
    assert result == Recorded(lost=frozenset(ids))
    assert await documents(db, ids) == before


async def test_a_late_accepted_of_an_expired_lease_is_delivered_after_all(db: Database) -> None:
    late, in_time = await insert_pending(db, 2)
    held = await claim_all(db, [late, in_time])
    await _expire(db, [late])
    result = await record(db, [accepted(held[late]), accepted(held[in_time])])
    assert result == Recorded(lost=frozenset({late}), late=frozenset({late}))
    stored = await document(db, late)
    assert (stored["status"], stored["attempt_count"], stored["lost_leases"]) == ("delivered", 1, 1)
    assert [a["outcome"] for a in stored["attempts"]] == ["lease_expired", "accepted"]
    assert not {"sweep_at", "not_before", "reason"} & stored.keys()
    assert await claims.claim(db, [late], "next", LEASE) == []


async def test_only_the_last_owner_that_lost_it_can_deliver_late(db: Database) -> None:
    (one,) = await insert_pending(db)
    first = await claim_all(db, [one], "first")
    await _expire(db, [one])
    second = await claim_all(db, [one], "second", alone=True)
    await _expire(db, [one])
    assert await record(db, [accepted(first[one])]) == Recorded(lost=frozenset({one}))
    assert (await document(db, one))["status"] == "failed"
    assert (await record(db, [accepted(second[one])])).late == {one}


async def test_a_late_accepted_counts_even_after_another_try_has_failed(db: Database) -> None:
    (one,) = await insert_pending(db)
    slow = await claim_all(db, [one], "slow")
    await _expire(db, [one])
    quick = await claim_all(db, [one], "quick", alone=True)
    await record(db, [failed(quick[one], 60.0)])
    assert (await record(db, [accepted(slow[one])])).late == {one}
    assert (await document(db, one))["status"] == "delivered"


async def _everything_once(db: Database) -> tuple[list[UUID], list[Record]]:
    ids = await insert_pending(db, 6)
    held = await claim_all(db, ids)
    bulk = [accepted(held[i]) for i in ids[:2]]
    bulk += [failed(held[ids[2]], 60.0), dead(held[ids[3]])]
    bulk += [Record(held[ids[4]], Verdict(Cause.SKIP, "no_address"))]
    bulk += [Record(held[ids[5]], Verdict(Cause.CANCEL, "cancelled"))]
    return ids, bulk


async def test_the_same_bulk_again_is_harmless_and_loses_nothing(db: Database) -> None:
    ids, bulk = await _everything_once(db)
    assert await record(db, bulk) == NOTHING_LOST
    before = await documents(db, ids)
    assert await record(db, bulk) == NOTHING_LOST
    assert await documents(db, ids) == before


async def test_a_bulk_that_was_half_applied_is_completed(db: Database) -> None:
    ids, bulk = await _everything_once(db)
    await record(db, bulk[::2])
    assert await record(db, bulk) == NOTHING_LOST
    stored = await documents(db, ids)
    assert [stored[r.delivery.id]["status"] for r in bulk] == [r.status.value for r in bulk]
    assert {d.get("attempt_count") for d in stored.values()} == {0, 1}


async def test_a_late_accepted_again_is_harmless_and_loses_nothing_more(db: Database) -> None:
    (one,) = await insert_pending(db)
    held = await claim_all(db, [one])
    await _expire(db, [one])
    bulk = [accepted(held[one])]
    assert (await record(db, bulk)).late == {one}
    before = await document(db, one)
    assert await record(db, bulk) == NOTHING_LOST
    assert await document(db, one) == before
    assert before["lost_owner"] == "holder"


async def test_two_bulks_at_once_record_a_delivery_once(db: Database) -> None:
    for _ in range(10):
        ids = await insert_pending(db, 8)
        held = await claim_all(db, ids)
        bulk = [accepted(d) for d in held.values()]
        first, second = await asyncio.gather(record(db, bulk), record(db, bulk[::-1]))
        assert first == second == NOTHING_LOST
        assert {len(d["attempts"]) for d in (await documents(db, ids)).values()} == {1}


async def test_a_record_of_a_delivery_that_was_deleted_is_lost(db: Database) -> None:
    (one,) = await insert_pending(db)
    held = await claim_all(db, [one])
    await db.deliveries.delete_one({"_id": one})
    assert await record(db, [accepted(held[one])]) == Recorded(lost=frozenset({one}))
    assert await db.deliveries.count_documents({}) == 0


DOLLARS = "$$NOW $owner {$set: 1}"


@pytest.mark.parametrize("cause", [Cause.ACCEPTED, Cause.RETRY_LATER, Cause.GIVE_UP])
async def test_words_that_start_with_a_dollar_are_stored_as_they_are(
    db: Database, cause: Cause
) -> None:
    (one,) = await insert_pending(db)
    held = await claim_all(db, [one])
    words = dict.fromkeys(("provider", "code", "enhanced_code", "detail"), DOLLARS)
    tried = attempt(Outcome.TRANSIENT, **words)
    reason = None if cause is Cause.ACCEPTED else "$attempts"
    verdict = Verdict(cause, reason, 1.0 if cause is Cause.RETRY_LATER else None)
    assert await record(db, [Record(held[one], verdict, tried)]) == NOTHING_LOST
    stored = await document(db, one)
    assert stored.get("reason") == reason
    assert {name: stored["attempts"][0][name] for name in words} == words


async def test_a_providers_detail_is_cut_at_200_characters(db: Database) -> None:
    (one,) = await insert_pending(db)
    held = await claim_all(db, [one])
    await record(db, [failed(held[one], detail="é" * 300)])
    assert (await document(db, one))["attempts"][0]["detail"] == "é" * 200


async def test_a_group_of_accepted_ones_shares_its_span_and_leaves_the_details_out(
    db: Database,
) -> None:
    ids = await insert_pending(db, 2)
    held = await claim_all(db, ids)
    await record(db, [accepted(d, detail=f"queued as {i}") for i, d in held.items()])
    for stored in (await documents(db, ids)).values():
        assert "detail" not in stored["attempts"][0]


async def test_attempts_are_numbered_and_the_newest_are_kept(db: Database) -> None:
    (one,) = await insert_pending(db)
    tries = ATTEMPTS_KEPT + 5
    for number in range(tries):
        held = await claim_all(db, [one], f"try {number}")
        assert held[one].attempt_count == number
        await record(db, [failed(held[one])])
    stored = await document(db, one)
    assert stored["attempt_count"] == tries
    numbers = [entry["number"] for entry in stored["attempts"]]
    assert numbers == list(range(tries - ATTEMPTS_KEPT + 1, tries + 1))


async def test_a_lost_lease_is_numbered_but_not_counted(db: Database) -> None:
    (one,) = await insert_pending(db)
    await claim_all(db, [one], "first")
    await _expire(db, [one])
    held = await claim_all(db, [one], "second", alone=True)
    assert (held[one].attempt_count, held[one].lost_leases) == (0, 1)
    await record(db, [accepted(held[one])])
    stored: Document = await document(db, one)
    assert stored["attempt_count"] == 1
    assert [(a["number"], a["outcome"]) for a in stored["attempts"]] == [
        (1, "lease_expired"),
        (2, "accepted"),
    ]
