"""Replays that a sweep goes on with: none of them keeps up the others."""

import asyncio

from tests.support.changes import make_due, settle_due, statuses, store_run
from tests.support.deliveries import LEASE
from tests.support.sweepers import brokerless
from tests.support.transactions import held

from fogbell.model.status import DeliveryStatus
from fogbell.store import replaying
from fogbell.store.database import Database
from fogbell.store.replaying import Replay, Selection

DEAD = Selection(frozenset({DeliveryStatus.DEAD}))


async def test_a_replay_that_a_killed_process_holds_keeps_up_no_other(db: Database) -> None:
    runs = [await store_run(db, {DeliveryStatus.DEAD: 3}) for _ in range(3)]
    await settle_due(db)
    for run in runs:
        assert isinstance(await replaying.begin(db, run, DEAD, LEASE), Replay)
        await make_due(db, run)
    unsettled = await store_run(db, {DeliveryStatus.DELIVERED: 1})
    hold = held(db, db.notifications, {"_id": runs[0]}, {"$set": {"held": True}})
    async with hold, asyncio.timeout(10):
        swept = await brokerless(db).sweep()
    assert swept.replayed == 6
    assert await statuses(db, runs[0]) == {"dead": 3}
    assert await statuses(db, runs[1]) == {"pending": 3}
    assert swept.settled == 1
    assert await db.notifications.count_documents({"_id": unsettled, "settled_at": {"$ne": None}})
    assert (await brokerless(db).sweep()).replayed == 3
