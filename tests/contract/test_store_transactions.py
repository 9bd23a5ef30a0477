"""A process that dies within a transaction holds up nothing but what it has changed in it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from time import monotonic
from uuid import UUID

import pytest
from tests.support.callbacks import posted, settle, stored_endpoint
from tests.support.changes import settle_due, store_run
from tests.support.deliveries import GRACE
from tests.support.sweepers import brokerless

from fogbell.model.status import DeliveryStatus
from fogbell.store import replaying
from fogbell.store.database import Collection, Database, Session
from fogbell.store.replaying import Replay, Selection
from fogbell.store.transactions import ContendedError, transact
from fogbell_retry.metrics import RetryMetrics
from fogbell_retry.reporting import Reporter

SOON = 3.0
"""Seconds; MongoDB itself would end what is left open after 60."""


@contextlib.asynccontextmanager
async def left_open(db: Database, among: Collection, ids: Sequence[object]) -> AsyncIterator[None]:
    """Within the block somebody's transaction has changed ``ids``, and does not end."""
    async with await db.client.start_session() as session, session.start_transaction():
        changed = {"$set": {"touched": True}}
        await among.update_many({"_id": {"$in": list(ids)}}, changed, session=session)
        yield
        await session.abort_transaction()


async def touch(db: Database) -> None:
    async def work(session: Session) -> None:
        await db.state.update_one({"_id": "x"}, {"$inc": {"n": 1}}, session=session)

    await transact(db, work, db.handle.read_concern)


async def count(db: Database) -> int:
    found = await db.state.find_one({"_id": "x"})
    assert found is not None
    return int(found["n"])


async def test_whoever_needs_the_same_is_told_soon_and_has_changed_nothing(db: Database) -> None:
    await db.state.insert_one({"_id": "x", "n": 0})
    async with left_open(db, db.state, ["x"]):
        began = monotonic()
        with pytest.raises(ContendedError):
            await touch(db)
        assert monotonic() - began < SOON
    await touch(db)
    assert await count(db) == 1


async def test_whoever_ends_meanwhile_is_waited_for(db: Database) -> None:
    await db.state.insert_one({"_id": "x", "n": 0})
    async with left_open(db, db.state, ["x"]):
        waits = asyncio.create_task(touch(db))
        await asyncio.sleep(0)
    await waits
    assert await count(db) == 1


async def test_of_many_at_once_each_is_done(db: Database) -> None:
    await db.state.insert_one({"_id": "x", "n": 0})
    await asyncio.gather(*(touch(db) for _ in range(3)))
    assert await count(db) == 3


async def test_telling_waits_for_a_page_that_is_held_and_all_else_goes_on(db: Database) -> None:
    await stored_endpoint(db)
    post, ids = await posted(db, 3)
    await settle(db, post)
    metrics = RetryMetrics()
    publisher = brokerless(db).publisher
    reporter = Reporter(db, publisher, metrics, within=2, grace=GRACE, look_after=GRACE)
    async with left_open(db, db.deliveries, ids):
        # The notification's own event is in another page.
        assert await reporter.report() == 1
    assert await reporter.report() == 3


async def test_a_replay_that_is_held_keeps_up_no_other_one(db: Database) -> None:
    held, free = [await begun(db) for _ in range(2)]
    async with left_open(db, db.notifications, [held]):
        await brokerless(db).sweep()
        assert (await dead(db, held), await dead(db, free)) == (3, 0)
    await brokerless(db).sweep()
    assert await dead(db, held) == 0


async def begun(db: Database) -> UUID:
    run = await store_run(db, {DeliveryStatus.DEAD: 3})
    assert run in await settle_due(db)
    wanted = Selection(frozenset({DeliveryStatus.DEAD}))
    replay = await replaying.begin(db, run, wanted, timedelta(0))
    assert isinstance(replay, Replay)
    return run


async def dead(db: Database, run: UUID) -> int:
    return int(await db.deliveries.count_documents({"notification_id": run, "status": "dead"}))
