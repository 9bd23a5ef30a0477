"""The store while MongoDB is away, and after it came back."""

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest
from pymongo.errors import BulkWriteError
from tests.support.deliveries import GRACE, LEASE, attempt, claim_all, insert_pending, new_delivery
from tests.support.notifications import new_notification
from tests.support.waiting import eventually

from fogbell.identity import uuid7
from fogbell.model.delivery import Claimed
from fogbell.model.status import Cause, NotificationStatus
from fogbell.policy import Verdict
from fogbell.store import claims, database, deliveries, notifications, progress, sweeping
from fogbell.store.database import Clock, Database, StoreUnavailableError, store_call
from fogbell.store.indexes import ensure_indexes
from fogbell.store.records import Record, record
from fogbell_local.servers import MongoServer

LIMIT = 1.5
"""Seconds that an operation may take in these tests."""


@pytest.fixture
async def own_db(
    own_mongo: MongoServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Database]:
    monkeypatch.setattr(database, "OPERATION_TIMEOUT_MS", int(LIMIT * 1000))
    db = Database(own_mongo.uri, "own")
    await ensure_indexes(db)
    yield db
    db.close()


async def _accept(db: Database) -> None:
    notification = new_notification(created_at=db.clock.now())
    new = [new_delivery(notification.id)]
    post = notifications.Accept(notification, new, None, NotificationStatus.SENDING)
    await notifications.accept(db, [post], GRACE)


def _accepted(delivery: Claimed) -> Record:
    return Record(delivery, Verdict(Cause.ACCEPTED), attempt())


async def test_without_mongodb_every_call_says_so_in_time(
    own_mongo: MongoServer, own_db: Database
) -> None:
    db = own_db
    ids = await insert_pending(db, 3)
    held = await claim_all(db, ids[:1])
    await asyncio.to_thread(own_mongo.stop)
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: claims.claim(db, ids, "token", LEASE),
        lambda: claims.claim(db, ids[:1], "token", LEASE),
        lambda: claims.release(db, ids, "token"),
        lambda: record(db, [_accepted(held[ids[0]])]),
        lambda: deliveries.insert(db, [new_delivery()], GRACE),
        lambda: _accept(db),
        lambda: sweeping.move_forward(db, ids, GRACE, LEASE),
        lambda: progress.progress(db, uuid7()),
        lambda: db.ping(),
    ]
    started = monotonic()
    results = await asyncio.gather(*(call() for call in calls), return_exceptions=True)
    assert {type(result) for result in results} == {StoreUnavailableError}
    # Selecting a server and the operation share one limit.
    assert monotonic() - started < LIMIT * 2


async def test_a_ping_answers_within_the_time_it_was_given(own_mongo: MongoServer) -> None:
    db = Database(own_mongo.uri, "own")
    await db.ping(within=2.0)
    await asyncio.to_thread(own_mongo.stop)
    started = monotonic()
    with pytest.raises(StoreUnavailableError):
        await db.ping(within=0.5)
    assert monotonic() - started < 5
    db.close()


async def test_closing_does_not_wait_for_a_mongodb_that_is_away(own_mongo: MongoServer) -> None:
    db = Database(own_mongo.uri, "own")
    await db.ping()
    await asyncio.to_thread(own_mongo.stop)
    started = monotonic()
    db.close()
    assert monotonic() - started < 1.5


async def test_the_same_database_works_again_once_mongodb_is_back(
    own_mongo: MongoServer, own_db: Database
) -> None:
    ids = await insert_pending(own_db, 2)
    held = await claim_all(own_db, ids)
    await asyncio.to_thread(own_mongo.kill)
    bulk = [_accepted(delivery) for delivery in held.values()]
    with pytest.raises(StoreUnavailableError):
        await record(own_db, bulk)
    await asyncio.to_thread(own_mongo.restart)
    await eventually(functools.partial(_answers, own_db))
    # What was acknowledged before the kill is there, and the record is simply sent again.
    assert not (await record(own_db, bulk)).lost
    assert await _delivered(own_db) == 2


async def _answers(db: Database) -> bool:
    try:
        await db.ping()
    except StoreUnavailableError:
        return False
    return True


async def _delivered(db: Database) -> int:
    return int(await db.deliveries.count_documents({"status": "delivered"}))


async def test_a_stop_in_the_middle_of_work_is_never_another_error(
    own_mongo: MongoServer, own_db: Database
) -> None:
    """Whatever a server says while it shuts down, callers see one kind of error."""
    db, errors, done = own_db, list[BaseException](), asyncio.Event()

    async def lap() -> None:
        ids = await insert_pending(db, 3)
        held = await claim_all(db, ids, claims.new_token())
        await record(db, [_accepted(delivery) for delivery in held.values()])
        await _accept(db)

    async def work() -> None:
        while not done.is_set():
            try:
                await lap()
            except Exception as error:
                errors.append(error)

    workers = [asyncio.create_task(work()) for _ in range(4)]
    await eventually(functools.partial(_delivered, db))
    await asyncio.to_thread(own_mongo.stop)
    await eventually(lambda: len(errors) >= len(workers))
    done.set()
    await asyncio.gather(*workers)
    assert {type(error) for error in errors} == {StoreUnavailableError}


async def test_what_a_bulk_write_could_not_write_is_in_no_error(db: Database) -> None:
    """Such a text ends in a log, and documents hold people and content."""
    part = {"code": 91, "errmsg": "shutting down", "op": {"address": "ann@example.org"}}

    @store_call
    async def cut_off(_: Database) -> None:
        raise BulkWriteError({"writeErrors": [part]})

    with pytest.raises(StoreUnavailableError) as caught:
        await cut_off(db)
    assert "ann@example.org" in str(caught.value.__cause__)
    assert "ann@example.org" not in str(caught.value)


async def test_the_clock_follows_mongodbs(db: Database) -> None:
    await db.ping()
    now = db.clock.now()
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=1)
    assert (now.tzinfo, now.microsecond % 1000) == (UTC, 0)


def test_the_clock_takes_the_servers_time_as_that_of_the_middle_of_the_round_trip() -> None:
    clock, now = Clock(), datetime.now(UTC)
    clock.adjust(now + timedelta(hours=1), now - timedelta(seconds=2), now + timedelta(seconds=4))
    ahead = clock.now() - datetime.now(UTC)
    assert abs(ahead - timedelta(minutes=59, seconds=59)) < timedelta(milliseconds=500)
