"""One database a test, with Fogbell's indexes."""

from collections.abc import AsyncIterator

import pytest

from fogbell.store.database import Database
from fogbell.store.indexes import ensure_indexes


@pytest.fixture
async def db(mongo_uri: str, database_name: str) -> AsyncIterator[Database]:
    database = Database(mongo_uri, database_name)
    await ensure_indexes(database)
    yield database
    database.close()
