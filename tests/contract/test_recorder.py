"""The recorder against a real MongoDB: verdicts, grouped writes, and outages that lose nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.support.deliveries import (
    GRACE,
    attempt,
    claim_all,
    document,
    documents,
    lose_leases,
)
from tests.support.lanes import Seen, posted
from tests.support.profiling import profiled
from tests.support.waiting import eventually

from fogbell.model.delivery import Claimed
from fogbell.model.outcome import Outcome
from fogbell.model.status import Cause, Channel
from fogbell.policy import RetryPolicy, Verdict
from fogbell.store import sweeping
from fogbell.store.database import Database
from fogbell.store.records import Record
from fogbell_local.servers import MongoServer
from fogbell_worker.recording import Recorder


@contextlib.asynccontextmanager
async def recording(
    db: Database, *, gather: float = 0.0, policy: RetryPolicy | None = None
) -> AsyncIterator[tuple[Recorder, Seen]]:
    seen = Seen()
    recorder = Recorder(db, policy or RetryPolicy(), seen, gather=gather, jitter=lambda: 0.5)
    yield recorder, seen
    await recorder.close()


async def _claimed(db: Database, number: int = 1, **fields: Any) -> list[Claimed]:
    ids = await posted(db, number, **fields)
    return list((await claim_all(db, ids)).values())


async def test_it_says_so_once_it_is_stored_and_not_before(db: Database) -> None:
    (one,) = await _claimed(db)
    async with recording(db) as (recorder, seen):
        done = recorder.attempted(one, attempt())
        assert not done.done()
        await done
        assert (await document(db, one.id))["status"] == "delivered"
        assert [record.delivery for record in seen.stored] == [one]


async def test_what_comes_together_is_written_together(db: Database) -> None:
    held = await _claimed(db, 200)
    async with recording(db, gather=0.02) as (recorder, _), profiled(db, db.deliveries) as entries:
        await asyncio.gather(*(recorder.attempted(d, attempt()) for d in held))
    updates = [entry for entry in entries if entry["op"] == "update"]
    assert len(updates) == 1
    assert updates[0]["nModified"] == 200


async def test_a_lone_record_waits_for_no_company_in_the_transactional_lane(db: Database) -> None:
    (one,) = await _claimed(db)
    async with recording(db, gather=0.0) as (recorder, _):
        async with asyncio.timeout(5):
            await recorder.attempted(one, attempt())


async def test_what_is_flushed_waits_for_no_more_company(db: Database) -> None:
    first, second = await _claimed(db, 2)
    async with recording(db, gather=3600.0) as (recorder, _):
        recorder.flush()  # there is nothing yet: the first that comes waits for company
        stored = recorder.attempted(first, attempt())
        done, _pending = await asyncio.wait([stored], timeout=0.2)
        assert not done
        both = asyncio.gather(stored, recorder.attempted(second, attempt()))
        recorder.flush()
        async with asyncio.timeout(5):
            await both


async def test_a_transient_refusal_is_tried_again_after_its_backoff(db: Database) -> None:
    (one,) = await _claimed(db)
    async with recording(db) as (recorder, _):
        refusal = attempt(Outcome.TRANSIENT, code="451", reason="greylisted")
        await recorder.attempted(one, refusal)
    stored = await document(db, one.id)
    assert (stored["status"], stored["reason"], stored["attempt_count"]) == (
        "failed", "greylisted", 1,
    )  # fmt: skip
    # Half of the first backoff's 10 s, by the jitter of this test.
    assert _seconds_ahead(db, stored["not_before"]) == pytest.approx(5, abs=1)
    assert stored["sweep_at"] == stored["not_before"]


async def test_a_receivers_wish_for_a_longer_pause_is_kept(db: Database) -> None:
    (one,) = await _claimed(db)
    async with recording(db) as (recorder, _):
        await recorder.attempted(one, attempt(Outcome.TRANSIENT, retry_after=120.0))
    assert _seconds_ahead(db, (await document(db, one.id))["not_before"]) == pytest.approx(
        120, abs=1
    )


@pytest.mark.parametrize("outcome", [Outcome.TRANSIENT, Outcome.AMBIGUOUS])
@pytest.mark.parametrize(
    ("field", "ending"),
    [("cancelled_at", ("cancelled", "cancelled")), ("expires_at", ("dead", "expired"))],
)
async def test_what_fails_while_its_notification_ends_is_not_tried_again(
    db: Database, field: str, ending: tuple[str, str], outcome: Outcome
) -> None:
    (one,) = await _claimed(db)
    await db.notifications.update_many({}, {"$set": {field: db.clock.now()}})
    async with recording(db) as (recorder, _):
        await recorder.attempted(one, attempt(outcome))
    stored = await document(db, one.id)
    assert (stored["status"], stored["reason"]) == ending


async def test_what_was_accepted_is_delivered_though_its_notification_ended(db: Database) -> None:
    (one,) = await _claimed(db)
    await db.notifications.update_many({}, {"$set": {"cancelled_at": db.clock.now()}})
    async with recording(db) as (recorder, _):
        await recorder.attempted(one, attempt())
    assert (await document(db, one.id))["status"] == "delivered"


async def test_a_text_message_that_may_have_gone_out_is_never_sent_again(db: Database) -> None:
    (mail,) = await _claimed(db)
    (text,) = await _claimed(db, channels=(Channel.SMS,))
    async with recording(db) as (recorder, _):
        await asyncio.gather(
            *(recorder.attempted(d, attempt(Outcome.AMBIGUOUS)) for d in (mail, text))
        )
    assert (await document(db, mail.id))["status"] == "failed"
    stored = await document(db, text.id)
    assert (stored["status"], stored["reason"]) == ("dead", "ambiguous")


async def test_the_last_attempt_of_the_budget_is_the_end(db: Database) -> None:
    (one,) = await _claimed(db)
    async with recording(db, policy=RetryPolicy(attempts=1)) as (recorder, _):
        await recorder.attempted(one, attempt(Outcome.TRANSIENT))
    stored = await document(db, one.id)
    assert (stored["status"], stored["reason"]) == ("dead", "attempts_exhausted")


async def test_what_is_too_old_is_not_tried_again(db: Database) -> None:
    (one,) = await _claimed(db)
    async with recording(db, policy=RetryPolicy(max_age=1.0)) as (recorder, _):
        await recorder.attempted(one, attempt(Outcome.TRANSIENT))
    assert (await document(db, one.id))["reason"] == "too_old"


async def test_a_record_behind_a_lost_lease_is_counted_and_changes_nothing(db: Database) -> None:
    refused, accepted = await _claimed(db, 2)
    await _expire(db, [refused.id, accepted.id])
    before = await document(db, refused.id)
    async with recording(db) as (recorder, seen):
        await recorder.attempted(refused, attempt(Outcome.TRANSIENT))
        await recorder.attempted(accepted, attempt())
    assert [record.delivery for record in seen.gone] == [refused]
    assert await document(db, refused.id) == before
    # What was accepted late saves a duplicate: it counts as recorded.
    assert [record.delivery for record in seen.stored] == [accepted]
    assert (await document(db, accepted.id))["status"] == "delivered"


async def test_what_mongodb_refuses_holds_up_nothing_else(db: Database) -> None:
    broken, *sound = await _claimed(db, 4)
    # Half a surrogate pair has no UTF-8: the driver refuses the whole bulk of this record.
    unstorable = attempt(Outcome.PERMANENT, detail="\ud800")
    async with recording(db, gather=0.05) as (recorder, seen):
        done = [recorder.attempted(broken, unstorable)]
        done += [recorder.attempted(d, attempt()) for d in sound]
        async with asyncio.timeout(20):
            await asyncio.gather(*done)
        (later,) = await _claimed(db)
        await recorder.attempted(later, attempt())
    stored = await documents(db, [d.id for d in (*sound, later)])
    assert {d["status"] for d in stored.values()} == {"delivered"}
    assert broken not in [record.delivery for record in seen.stored]
    assert (await document(db, broken.id))["status"] == "sending", "left to its lease"


async def test_nothing_is_lost_while_mongodb_is_away_and_no_more_is_sent(
    own_mongo: MongoServer,
) -> None:
    db = Database(own_mongo.uri, "recorder")
    held = await _claimed(db, 50)
    async with recording(db) as (recorder, seen):
        await asyncio.to_thread(own_mongo.kill)
        waiting = [recorder.attempted(d, attempt()) for d in held]
        await eventually(recorder.is_late)
        sending = asyncio.create_task(recorder.caught_up())
        await asyncio.sleep(0.3)
        assert not sending.done()
        assert not any(done.done() for done in waiting)
        await asyncio.to_thread(own_mongo.restart)
        async with asyncio.timeout(30):
            await asyncio.gather(*waiting, sending)
        assert sorted(r.delivery.id for r in seen.stored) == sorted(d.id for d in held)
    stored = await documents(db, [d.id for d in held])
    assert {(d["status"], d["attempt_count"]) for d in stored.values()} == {("delivered", 1)}
    db.close()


async def test_what_is_settled_unsent_has_no_attempt(db: Database) -> None:
    (one,) = await _claimed(db)
    async with recording(db) as (recorder, _):
        await recorder.unsent(Record(one, Verdict(Cause.SKIP, "no_address")))
    stored = await document(db, one.id)
    assert (stored["status"], stored["reason"]) == ("skipped", "no_address")
    assert (stored["attempt_count"], stored.get("attempts", [])) == (0, [])


async def _expire(db: Database, ids: list[UUID]) -> None:
    await lose_leases(db, ids)
    assert await sweeping.expire_leases(db, ids, GRACE, 3) == len(ids)


def _seconds_ahead(db: Database, moment: Any) -> float:
    return float((moment - db.clock.now()) / timedelta(seconds=1))
