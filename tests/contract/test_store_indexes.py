"""The indexes on a real MongoDB: there, and no others."""

import asyncio

from pymongo import ASCENDING, IndexModel

from fogbell.store.database import Database
from fogbell.store.indexes import DELIVERIES, OUTSTANDING, REPLACED, ensure_indexes


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
