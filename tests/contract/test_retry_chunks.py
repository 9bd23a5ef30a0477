"""What the sweep does about chunks: publish what nobody works on, end what nobody has ended."""

import asyncio
from datetime import timedelta

import pytest
from tests.support.broker import publishing, waiting_in
from tests.support.deliveries import (
    LEASE,
    age,
    attempt,
    claim_all,
    documents,
    insert_chunk,
    outlast,
    take,
)
from tests.support.sweepers import brokerless, sweeper_of

from fogbell.broker import Topology
from fogbell.model.status import Cause, Channel, Lane
from fogbell.policy import Verdict
from fogbell.store import chunks, records
from fogbell.store.chunks import Chunk
from fogbell.store.database import Database
from fogbell.store.records import Record

pytestmark = pytest.mark.usefixtures("swept_just_now")

SECOND = timedelta(seconds=1)


async def _due(db: Database, number: int = 5, token: str = "chunk") -> Chunk:
    chunk = await insert_chunk(db, number, token)
    await age(db, chunk.ids, sweep_at=SECOND)
    return chunk


async def test_a_chunk_that_nobody_has_taken_is_published_and_claimed_one_by_one(
    db: Database, rabbit_uri: str, topology: Topology
) -> None:
    made = [await _due(db, 5, f"chunk-{n}") for n in range(3)]
    ids = [i for chunk in made for i in chunk.ids]
    async with publishing(rabbit_uri, topology) as publisher:
        swept = await sweeper_of(db, publisher, topology, enough=500).sweep()
    assert swept.publish_lost == len(ids)
    assert await waiting_in(rabbit_uri, topology.queue(Channel.EMAIL, Lane.BULK)) == 1
    for chunk in made:
        assert await chunks.take(db, chunk, "its own message, late", LEASE) is None
    await claim_all(db, ids)


async def test_a_chunk_that_is_worked_on_is_left_alone(
    db: Database, rabbit_uri: str, topology: Topology
) -> None:
    chunk = await _due(db)
    claimed = await take(db, chunk)
    async with publishing(rabbit_uri, topology) as publisher:
        swept = await sweeper_of(db, publisher, topology, enough=500).sweep()
    assert (swept.publish_lost, swept.lease_expired) == (0, 0)
    assert await waiting_in(rabbit_uri, topology.queue(Channel.EMAIL, Lane.BULK)) == 0
    stored = await documents(db, chunk.ids)
    assert all(d["sweep_at"] > db.clock.now() for d in stored.values()), "or it is read for ever"
    done = [Record(delivery, Verdict(Cause.ACCEPTED), attempt()) for delivery in claimed]
    assert not (await records.record(db, done)).lost


async def test_more_of_it_than_a_page_does_not_hide_what_is_behind(
    db: Database, rabbit_uri: str, topology: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fogbell_retry.sweep.PAGE", 4)
    held = await _due(db, 9, "held")
    await take(db, held)
    await age(db, held.ids, sweep_at=10 * SECOND)
    await _due(db, 3, "behind")
    async with publishing(rabbit_uri, topology) as publisher:
        swept = await sweeper_of(db, publisher, topology, enough=500).sweep()
    assert swept.publish_lost == 3


async def test_a_lease_that_nobody_has_ended_ends_with_what_is_not_recorded(
    db: Database, rabbit_uri: str, topology: Topology
) -> None:
    chunk = await insert_chunk(db, 4)
    first, *_ = await take(db, chunk)
    await records.record(db, [Record(first, Verdict(Cause.ACCEPTED), attempt())])
    await outlast(db, chunk)
    async with publishing(rabbit_uri, topology) as publisher:
        swept = await sweeper_of(db, publisher, topology, enough=500).sweep()
    assert swept.lease_expired == 3
    assert await waiting_in(rabbit_uri, topology.queue(Channel.EMAIL, Lane.BULK)) == 3, "alone"
    stored = await documents(db, chunk.ids)
    assert stored.pop(first.id)["status"] == "delivered"
    assert {(d["status"], d["lost_leases"]) for d in stored.values()} == {("failed", 1)}
    assert await db.chunks.count_documents({}) == 0


async def test_it_ends_without_a_broker_and_once_by_two_sweeps(db: Database) -> None:
    made = [await insert_chunk(db, 4, f"chunk-{n}") for n in range(3)]
    for chunk in made:
        await take(db, chunk)
        await outlast(db, chunk)
    sweeps = await asyncio.gather(*(brokerless(db).sweep() for _ in range(2)))
    assert sum(swept.lease_expired for swept in sweeps) == 12
    ids = [i for chunk in made for i in chunk.ids]
    assert {d["lost_leases"] for d in (await documents(db, ids)).values()} == {1}


async def test_no_lease_on_a_chunk_ends_during_a_hold(db: Database) -> None:
    chunk = await _due(db)
    await take(db, chunk)
    await outlast(db, chunk)
    await db.state.update_one({"_id": "sweep"}, {"$set": {"election": "another"}})
    sweeper = brokerless(db)
    assert (await sweeper.sweep()).held_until is not None
    assert {d["status"] for d in (await documents(db, chunk.ids)).values()} == {"pending"}
    await db.state.update_one({"_id": "sweep"}, {"$set": {"hold_until": db.clock.now()}})
    assert (await sweeper.sweep()).lease_expired == len(chunk.ids)


async def test_a_lease_that_its_holder_ends_meanwhile_is_not_expired(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunk = await insert_chunk(db, 3)
    await take(db, chunk)
    await outlast(db, chunk)
    seize = chunks.seize

    async def late(*asked: object) -> bool:
        await chunks.end(db, chunk.token, "holder")
        await take(db, chunk, "the next one")
        return await seize(*asked)  # type: ignore[arg-type]

    monkeypatch.setattr(chunks, "seize", late)
    assert (await brokerless(db).sweep()).lease_expired == 0
    assert {d["chunk"] for d in (await documents(db, chunk.ids)).values()} == {chunk.token}
