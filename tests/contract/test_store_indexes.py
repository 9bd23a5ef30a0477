"""The indexes on a real MongoDB: there, and no others."""

import asyncio

import pytest
from pymongo import ASCENDING, IndexModel
from pymongo.errors import OperationFailure

from fogbell.store import database
from fogbell.store.database import Database, StoreUnavailableError, is_unavailable
from fogbell.store.indexes import DELIVERIES, OUTSTANDING, REPLACED, ensure_indexes

LIMIT_MS = 600
"""How long an operation may take in these tests."""


async def _of_deliveries(db: Database) -> set[str]:
    return set(await db.deliveries.index_information())


async def test_an_index_that_another_replaces_is_dropped(db: Database) -> None:
    """Its name alone tells them apart: MongoDB keeps the old keys of an index it knows."""
    expected = await _of_deliveries(db)
    assert expected == {"_id_", *(index.document["name"] for index in DELIVERIES)}
    await db.deliveries.drop_index(OUTSTANDING)
    for name in REPLACED:
        old = IndexModel([("notification_id", ASCENDING), ("status", ASCENDING)], name=name)
        await db.deliveries.create_indexes([old])
    await asyncio.gather(*(ensure_indexes(db) for _ in range(3)))
    assert await _of_deliveries(db) == expected


async def test_an_index_is_built_however_long_that_takes(
    db: Database, mongo_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off like any other operation, the build of a large collection would never end."""
    expected = await _of_deliveries(db)
    await db.deliveries.drop_indexes()
    monkeypatch.setattr(database, "OPERATION_TIMEOUT_MS", LIMIT_MS)
    hurried = Database(mongo_uri, db.handle.name)
    async with await db.client.start_session() as session, session.start_transaction():
        # A build waits for every transaction that has written to its collection.
        await db.deliveries.insert_one({"status": "dead"}, session=session)
        building = asyncio.ensure_future(ensure_indexes(hurried))
        with pytest.raises(StoreUnavailableError):
            await ensure_indexes(hurried, 2 * LIMIT_MS / 1000)
        assert not building.done()
    await building
    assert await _of_deliveries(db) == expected
    hurried.close()


def test_a_build_that_was_aborted_is_asked_for_again() -> None:
    """Its client has gone, or its node stops: nothing is wrong with the index."""
    assert is_unavailable(OperationFailure("Index build failed: aborted", code=276))
