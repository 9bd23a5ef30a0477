"""Leases end whatever becomes of the broker: only what publishes needs room there."""

from datetime import timedelta
from uuid import UUID

import pytest
from tests.support.broker import publishing, waiting_in
from tests.support.deliveries import (
    age,
    claim_all,
    documents,
    insert_pending,
    lose_leases,
)
from tests.support.profiling import profiled
from tests.support.sweepers import brokerless, sweeper_of

from fogbell.broker import Topology
from fogbell.model.status import Cause, Channel, Lane
from fogbell.policy import Verdict
from fogbell.store import records
from fogbell.store.database import Database
from fogbell.store.records import Record

pytestmark = pytest.mark.usefixtures("swept_just_now")

EMAIL, BULK = Channel.EMAIL, Lane.BULK


async def _lost(db: Database, number: int) -> list[UUID]:
    ids = await insert_pending(db, number, lane=BULK)
    await claim_all(db, ids)
    await lose_leases(db, ids)
    return ids


async def _statuses(db: Database, ids: list[UUID]) -> set[str]:
    return {d["status"] for d in (await documents(db, ids)).values()}


async def test_leases_end_while_rabbitmq_is_away(db: Database) -> None:
    ids = await _lost(db, 3)
    swept = await brokerless(db).sweep()
    assert swept.lease_expired == 3
    stored = (await documents(db, ids)).values()
    assert {d["status"] for d in stored} == {"failed"}
    assert {d["attempts"][-1]["outcome"] for d in stored} == {"lease_expired"}
    assert all(d["sweep_at"] <= db.clock.now() for d in stored), "due as soon as there is room"


async def test_leases_end_while_their_queue_is_full_and_are_published_once_it_is_not(
    db: Database, rabbit_uri: str, topology: Topology
) -> None:
    ids, queue = await _lost(db, 3), topology.queue(EMAIL, BULK)
    async with publishing(rabbit_uri, topology) as publisher:
        assert (await sweeper_of(db, publisher, topology, enough=0).sweep()).lease_expired == 3
        assert await _statuses(db, ids) == {"failed"}
        assert await waiting_in(rabbit_uri, queue) == 0
        swept = await sweeper_of(db, publisher, topology, enough=500).sweep()
    assert (swept.lease_expired, swept.retry_due) == (0, 3)
    assert await waiting_in(rabbit_uri, queue) == 3, "each alone in its message"


async def test_no_lease_ends_during_a_hold_broker_or_no_broker(db: Database) -> None:
    ids = await _lost(db, 2)
    await db.state.update_one({"_id": "sweep"}, {"$set": {"election": "another"}})
    sweeper = brokerless(db)
    assert (await sweeper.sweep()).held_until is not None
    assert await _statuses(db, ids) == {"sending"}
    await db.state.update_one({"_id": "sweep"}, {"$set": {"hold_until": db.clock.now()}})
    assert (await sweeper.sweep()).lease_expired == 2, "the hold has not made them forgotten"


async def test_a_backlog_is_not_read_again_for_the_leases_behind_it(db: Database) -> None:
    backlog = await insert_pending(db, 50, lane=BULK)
    await age(db, backlog, sweep_at=timedelta(hours=1))
    await brokerless(db).sweep()
    lost = await _lost(db, 2)
    async with profiled(db, db.deliveries) as seen:
        assert (await brokerless(db).sweep()).lease_expired == 2
    assert await _statuses(db, lost) == {"failed"}
    examined = [e["docsExamined"] for e in seen if e["op"] == "query"]
    assert max(examined) <= 5, "another process goes on where the last one was"


async def test_what_was_put_back_untried_is_no_lost_publish(
    db: Database, rabbit_uri: str, topology: Topology
) -> None:
    unpublished, put_back = await insert_pending(db, 2, lane=BULK)
    held = (await claim_all(db, [put_back]))[put_back]
    await records.record(db, [Record(held, Verdict(Cause.RELEASE, "rate_limited", 0.0))])
    await age(db, [unpublished, put_back], sweep_at=timedelta(seconds=1))
    async with publishing(rabbit_uri, topology) as publisher:
        swept = await sweeper_of(db, publisher, topology, enough=500).sweep()
    assert (swept.publish_lost, swept.deferred, swept.retry_due) == (1, 1, 0)
