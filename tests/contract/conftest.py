"""One database a test, with Fogbell's indexes, and queues of its own."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from tests.support.broker import queues_of

from fogbell.broker import Topology
from fogbell.store import sweep_state
from fogbell.store.database import Database
from fogbell.store.indexes import ensure_indexes


@pytest.fixture
async def db(mongo_uri: str, database_name: str) -> AsyncIterator[Database]:
    database = Database(mongo_uri, database_name)
    await ensure_indexes(database)
    yield database
    database.close()


@pytest.fixture
async def topology(rabbit_uri: str, topology_prefix: str) -> AsyncIterator[Topology]:
    async with queues_of(rabbit_uri, Topology(topology_prefix)) as declared:
        yield declared


@pytest.fixture
async def swept_just_now(db: Database) -> None:
    """No gap in sweeping, so no hold."""
    await sweep_state.observe(db, timedelta(0))
