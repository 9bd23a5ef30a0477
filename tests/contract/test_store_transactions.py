"""A process that dies within a transaction holds up nothing but what it has changed in it."""

import asyncio
import threading
from collections.abc import Awaitable
from time import monotonic
from typing import Any

import pytest
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from tests.support.callbacks import posted, settle, stored_endpoint
from tests.support.deliveries import GRACE
from tests.support.sweepers import brokerless
from tests.support.transactions import held

from fogbell.store.database import Database, Session
from fogbell.store.transactions import ContendedError, transact
from fogbell_retry.metrics import RetryMetrics
from fogbell_retry.reporting import Reporter

HOLD = {"$set": {"held": True}}
SOON = 3.0
"""Seconds; MongoDB itself would end what is left open after 60."""


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
    async with held(db, db.state, {"_id": "x"}, HOLD):
        began = monotonic()
        with pytest.raises(ContendedError):
            await touch(db)
        assert monotonic() - began < SOON
    await touch(db)
    assert await count(db) == 1


async def test_whoever_ends_meanwhile_is_waited_for(db: Database) -> None:
    await db.state.insert_one({"_id": "x", "n": 0})
    async with held(db, db.state, {"_id": "x"}, HOLD):
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
    async with held(db, db.deliveries, {"_id": ids[0]}, HOLD):
        # The notification's own event is in another page.
        assert await reporter.report() == 1
    assert await reporter.report() == 3


async def test_whoever_is_cancelled_while_it_commits_ends_once_that_is_through(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    committing = asyncio.Event()
    commit = Session.commit_transaction

    def told_of(session: Session) -> Awaitable[None]:
        committing.set()
        return commit(session)

    monkeypatch.setattr(Session, "commit_transaction", told_of)
    for n in range(20):
        committing.clear()

        async def work(session: Session, n: int = n) -> None:
            await db.state.insert_one({"_id": n}, session=session)

        task = asyncio.create_task(transact(db, work, db.handle.read_concern))
        await committing.wait()
        for _ in range(n % 4):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await db.state.find_one({"_id": n}), "the commit was cut off"


async def test_what_fails_has_changed_nothing(db: Database) -> None:
    async def fails(session: Session) -> None:
        await db.state.insert_one({"_id": "fails"}, session=session)
        raise LookupError

    with pytest.raises(LookupError):
        await transact(db, fails, db.handle.read_concern)
    assert await db.state.count_documents({}) == 0


async def test_whoever_is_cancelled_during_an_abort_waits_for_its_end(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the session's end would abort it once more, beside the first, and in the event loop."""
    aborting, twice = asyncio.Event(), list[object]()
    abort = Session.abort_transaction

    def told_of(session: Session) -> Awaitable[None]:
        aborting.set()
        return abort(session)

    async def fails(session: Session) -> None:
        await db.state.insert_one({"_id": "fails"}, session=session)
        raise LookupError

    monkeypatch.setattr(Session, "abort_transaction", told_of)
    # That of the session's end; Motor has taken its own before.
    monkeypatch.setattr(ClientSession, "abort_transaction", lambda s: twice.append(s))
    task = asyncio.create_task(transact(db, fails, db.handle.read_concern))
    await aborting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert twice == []
    assert await db.state.count_documents({}) == 0


async def test_whoever_is_cancelled_before_the_commit_has_changed_nothing(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operation that was on its way in its thread came after the abort, and stayed."""
    on_its_way, go = threading.Event(), threading.Event()
    insert = Collection._insert_one

    def held_up(*arguments: Any, **options: Any) -> Any:
        on_its_way.set()
        assert go.wait(30)
        return insert(*arguments, **options)

    async def work(session: Session) -> None:
        await db.state.insert_one({"_id": "x"}, session=session)

    monkeypatch.setattr(Collection, "_insert_one", held_up)
    task = asyncio.create_task(transact(db, work, db.handle.read_concern))
    assert await asyncio.to_thread(on_its_way.wait, 30)
    for _ in range(2):
        task.cancel()
        assert await asyncio.wait({task}, timeout=0.3) == (set(), {task}), "it did not wait"
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await db.state.count_documents({}) == 0
