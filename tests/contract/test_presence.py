"""Who needs MongoDB is told soon that it is away, and waits out what is short."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from time import monotonic

import pytest
from tests.support.directory import NO_RABBITMQ
from tests.support.intake import intake_settings, serving
from tests.support.waiting import eventually

from fogbell.store.database import Database, StoreRefusedError, StoreUnavailableError
from fogbell.store.presence import LOOK_EVERY, PATIENCE, Presence
from fogbell_intake.app import create_app
from fogbell_local.servers import MongoServer

POST = {
    "audience": {"addresses": [{"email": "a@example.org"}]},
    "channels": ["email"],
    "content": {"email": {"subject": "s", "text": "t"}},
}


@contextlib.asynccontextmanager
async def watching(db: Database, patience: float) -> AsyncIterator[Presence]:
    presence = Presence(db, patience)
    task = asyncio.create_task(presence.watch())
    yield presence
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    db.close()


async def _count(presence: Presence, db: Database) -> int:
    async with presence.needed():
        return await db.state.count_documents({})


async def _refused_at_once(presence: Presence) -> bool:
    began = monotonic()
    with contextlib.suppress(StoreUnavailableError):
        async with presence.needed():
            return False
    return monotonic() - began < 0.1


async def test_what_is_under_way_is_given_up_after_the_patience_and_what_comes_then_at_once(
    own_mongo: MongoServer,
) -> None:
    db = Database(own_mongo.uri, "presence")
    async with watching(db, 0.5) as presence:
        assert await _count(presence, db) == 0
        await asyncio.to_thread(own_mongo.stop)
        began = monotonic()
        with pytest.raises(StoreUnavailableError):
            await _count(presence, db)
        assert monotonic() - began < 3
        assert await _refused_at_once(presence)
        await asyncio.to_thread(own_mongo.restart)
        await eventually(lambda: not presence._away)
        assert await _count(presence, db) == 0


async def test_a_post_over_http_is_refused_within_seconds(own_mongo: MongoServer) -> None:
    settings = intake_settings(own_mongo.uri, "presence", NO_RABBITMQ)
    app = create_app(settings)
    async with serving(settings, app=app) as client:
        await app.state.prepared.wait()
        await asyncio.to_thread(own_mongo.stop)
        for within in (PATIENCE + 1.5, 0.5):
            began = monotonic()
            answer = await client.post("/v1/notifications", json=POST)
            assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
            assert monotonic() - began < within
        await asyncio.to_thread(own_mongo.restart)


async def test_an_absence_within_the_patience_fails_nothing(own_mongo: MongoServer) -> None:
    db = Database(own_mongo.uri, "presence")
    async with watching(db, 9) as presence:
        await _count(presence, db)
        await asyncio.to_thread(own_mongo.stop)
        counting = asyncio.create_task(_count(presence, db))
        await eventually(lambda: presence._since is not None)
        await asyncio.to_thread(own_mongo.restart)
        assert await counting == 0


async def test_who_is_refused_by_mongodb_at_first_looks_on(own_mongo: MongoServer) -> None:
    uri = own_mongo.uri.replace("mongodb://", "mongodb://late:secret@") + "&authSource=admin"
    db, admin = Database(uri, "presence"), Database(own_mongo.uri, "presence")
    async with watching(db, 0.5) as presence:
        with pytest.raises(StoreRefusedError):
            await db.ping()
        await asyncio.sleep(2 * LOOK_EVERY)
        await admin.client["admin"].command("createUser", "late", pwd="secret", roles=["root"])
        # The driver looks again once the answer that it waits for comes: ten seconds.
        await eventually(lambda: presence._since is None, 30)
        assert await _count(presence, db) == 0
        await asyncio.to_thread(own_mongo.stop)
        await eventually(lambda: presence._away)
    admin.close()


async def test_a_timeout_of_the_block_itself_stays_one(db: Database) -> None:
    presence = Presence(db)
    with pytest.raises(TimeoutError):
        async with presence.needed(), asyncio.timeout(0.01):
            await asyncio.Event().wait()
