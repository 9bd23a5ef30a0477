"""The recorder outlives what MongoDB refuses, and says when it is late."""

import asyncio
import os
import signal
from datetime import UTC, datetime

import pytest
from tests.support.deliveries import claim_all, insert_pending
from tests.support.locked import LockedMongo
from tests.support.waiting import eventually

from fogbell.model.outcome import Attempt, Outcome, Reply
from fogbell.model.status import DeliveryStatus
from fogbell.policy import RetryPolicy
from fogbell.store import deliveries
from fogbell.store.database import Database
from fogbell.store.indexes import ensure_indexes
from fogbell.store.records import Record
from fogbell_local.servers import MongoServer
from fogbell_worker import recording
from fogbell_worker.recording import Recorder


class Silent:
    """Observes nothing."""

    def recorded(self, record: Record, now: datetime) -> None: ...

    def lost(self, record: Record) -> None: ...


def accepted(provider: str = "smtp") -> Attempt:
    now = datetime.now(UTC)
    return Attempt(provider, now, now, Reply(Outcome.ACCEPTED, code="250"))


async def test_a_record_that_mongodb_refuses_does_not_stop_the_others(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "FIRST_PAUSE", 0.01)
    ids = await insert_pending(db, 3)
    claimed = await claim_all(db, ids)
    await db.handle.command(
        "collMod", "deliveries", validator={"attempts.provider": {"$ne": "refused"}}
    )
    recorder = Recorder(db, RetryPolicy(), Silent(), gather=0.05)
    providers = ["smtp", "refused", "smtp"]
    futures = [
        recorder.attempted(claimed[i], accepted(provider))
        for i, provider in zip(ids, providers, strict=True)
    ]
    await asyncio.wait_for(asyncio.gather(*futures), 10)
    statuses = [found.status for i in ids if (found := await deliveries.get(db, i))]
    assert statuses == [
        DeliveryStatus.DELIVERED,
        DeliveryStatus.SENDING,  # left to its lease
        DeliveryStatus.DELIVERED,
    ]
    (later,) = await insert_pending(db, 1)
    more = await claim_all(db, [later])
    await asyncio.wait_for(recorder.attempted(more[later], accepted()), 10)
    await recorder.close()


async def test_what_may_not_be_written_at_present_is_written_once_it_may(
    locked: LockedMongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A right that was taken away is an outage: all records are refused alike, and wait."""
    monkeypatch.setattr(recording, "FIRST_PAUSE", 0.01)
    user = locked.user("readWrite")
    db = user.connect()
    (delivery,) = await insert_pending(db, 1)
    claimed = await claim_all(db, [delivery])
    recorder = Recorder(db, RetryPolicy(), Silent(), gather=0.0)
    user.take("read")
    recorded = recorder.attempted(claimed[delivery], accepted())
    await eventually(recorder.is_late)
    assert not recorded.done()
    user.take("readWrite")
    await asyncio.wait_for(recorded, 10)
    found = await deliveries.get(db, delivery)
    assert found is not None
    assert found.status is DeliveryStatus.DELIVERED
    await recorder.close()
    db.close()


async def test_nothing_more_is_sent_while_a_write_is_late(own_mongo: MongoServer) -> None:
    db = Database(own_mongo.uri, "late")
    await ensure_indexes(db)
    (delivery,) = await insert_pending(db, 1)
    claimed = await claim_all(db, [delivery])
    recorder = Recorder(db, RetryPolicy(), Silent(), gather=0.0)
    await asyncio.wait_for(recorder.caught_up(), 1)

    os.kill(own_mongo.pid, signal.SIGSTOP)
    try:
        recorded = recorder.attempted(claimed[delivery], accepted())
        await eventually(recorder.is_late)
        caught_up = asyncio.ensure_future(recorder.caught_up())
        done, _ = await asyncio.wait({caught_up}, timeout=0.2)
        assert not done
    finally:
        os.kill(own_mongo.pid, signal.SIGCONT)
    await asyncio.wait_for(asyncio.gather(recorded, caught_up), 20)
    await recorder.close()
    db.close()
