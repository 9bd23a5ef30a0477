"""What has lost a lease is tried alone, and waits for that outside its lane's batches."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

from tests.support.broker import publishing, waiting_in
from tests.support.deliveries import claim_all, documents, lose_leases
from tests.support.lanes import ACCEPTED, RunningLane, ScriptedSender, lane, posted
from tests.support.waiting import eventually

from fogbell.broker import Consumer, Topology
from fogbell.model.outcome import Reply
from fogbell.model.status import Channel, Lane
from fogbell.store import sweeping
from fogbell.store.database import Database
from fogbell_worker.sending import Work

EMAIL, BULK = Channel.EMAIL, Lane.BULK
GRACE = timedelta(seconds=30)


@contextlib.asynccontextmanager
async def _consuming(uri: str, topology: Topology, at_work: RunningLane) -> AsyncIterator[None]:
    """The lane, fed from its queue as the worker's bulk lanes are."""
    consumer = Consumer(
        uri,
        topology,
        topology.queue(EMAIL, BULK),
        prefetch=4,
        receive=at_work.runner.receive,
        count_undecodable=lambda: None,
    )
    consumer.start()
    try:
        yield
    finally:
        await consumer.close()


async def _delivered(db: Database, ids: list[UUID]) -> bool:
    return {d["status"] for d in (await documents(db, ids)).values()} == {"delivered"}


async def _bereaved(db: Database, number: int) -> list[UUID]:
    """Deliveries whose worker has died under them."""
    ids = await posted(db, number)
    await claim_all(db, ids, "gone")
    await lose_leases(db, ids)
    assert await sweeping.expire_leases(db, ids, GRACE, 3) == number
    return ids


async def test_what_lost_a_lease_is_tried_with_no_other_such_beside_it(db: Database) -> None:
    suspects, others = await _bereaved(db, 4), await posted(db, 8)
    under_way, most = 0, 0

    async def counted(work: Work) -> Reply:
        nonlocal under_way, most
        suspect = work.delivery.lost_leases
        under_way += suspect
        most = max(most, under_way)
        await asyncio.sleep(0.05)
        under_way -= suspect
        return ACCEPTED

    sender, lock = ScriptedSender(counted), asyncio.Lock()
    async with (
        lane(db, sender, one_alone=lock, batches=4) as bulk,
        lane(db, sender, one_alone=lock, batches=4) as transactional,
    ):
        for one in suspects[:2]:
            bulk.hand([one], alone=True)
        for one in suspects[2:]:
            transactional.hand([one], alone=True)
        bulk.hand(others)
        await eventually(lambda: _delivered(db, suspects + others))
    assert (most, sender.most_at_once > 1) == (1, True)


async def test_a_batch_never_takes_along_what_lost_a_lease(db: Database) -> None:
    suspects, others = await _bereaved(db, 2), await posted(db, 2)
    sender = ScriptedSender()
    async with lane(db, sender) as at_work:
        await at_work.work(*suspects, *others)
    assert sorted(sender.ids) == sorted(others)


async def test_hundreds_that_wait_to_be_tried_alone_hold_nothing_up(
    db: Database, rabbit_uri: str, topology: Topology
) -> None:
    suspects, others = await _bereaved(db, 100), await posted(db, 50)
    go = asyncio.Event()

    async def held(work: Work) -> Reply:
        if work.delivery.lost_leases:
            await go.wait()
        return ACCEPTED

    sender = ScriptedSender(held, send_timeout=20)
    async with (
        publishing(rabbit_uri, topology) as publisher,
        lane(db, sender, batches=2) as at_work,
        _consuming(rabbit_uri, topology, at_work),
    ):
        assert await publisher.publish(EMAIL, BULK, suspects, alone=True)
        await eventually(lambda: len(sender.sent) == 1)
        for start in range(0, 50, 10):
            assert await publisher.publish(EMAIL, BULK, others[start : start + 10])
        await eventually(lambda: _delivered(db, others))
        assert sender.at_once == 1
        go.set()
        await eventually(lambda: _delivered(db, suspects), 60)
    assert await waiting_in(rabbit_uri, topology.queue(EMAIL, BULK)) == 0


async def test_a_stop_waits_for_the_one_that_is_tried_and_leaves_the_others_to_the_sweep(
    db: Database,
) -> None:
    first, *others = suspects = await _bereaved(db, 3)
    go = asyncio.Event()

    async def held(_: Work) -> Reply:
        await go.wait()
        return ACCEPTED

    sender = ScriptedSender(held, send_timeout=20)
    async with lane(db, sender) as at_work:
        for one in [*suspects, *suspects]:
            assert at_work.hand([one], alone=True).is_set(), "its turn may be far off"
        await eventually(lambda: sender.ids == [first])
        stopping = asyncio.create_task(at_work.runner.stop())
        go.set()
        await stopping
        assert sender.ids == [first]
        await eventually(lambda: _delivered(db, [first]))
    left = (await documents(db, others)).values()
    assert {d["status"] for d in left} == {"failed"}
    assert all(d["sweep_at"] <= db.clock.now() + GRACE for d in left)
