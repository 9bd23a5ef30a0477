"""Two intakes that all tests of this folder share, each test with recipients of its own."""

import uuid
from collections.abc import AsyncIterator

import pytest
from tests.support.inbox_intake import Intake, Place

from fogbell.store.database import Database


@pytest.fixture(scope="session")
async def place(mongo_uri: str, rabbit_uri: str) -> AsyncIterator[Place]:
    shared = Place(mongo_uri, rabbit_uri, f"t{uuid.uuid4().hex[:12]}")
    yield shared
    database = Database(mongo_uri, shared.name)
    await database.client.drop_database(shared.name)
    database.close()
    await shared.clear_broker()


@pytest.fixture(scope="session")
async def intake(place: Place) -> AsyncIterator[Intake]:
    """One intake for all tests of this folder, each with recipients of its own."""
    async with place.intake() as started:
        yield started


@pytest.fixture(scope="session")
async def impatient(place: Place) -> AsyncIterator[Intake]:
    """A replica whose every limit is low."""
    async with place.intake(
        poll_seconds=0.3,
        heartbeat_seconds=0.1,
        write_timeout_seconds=1,
        queue_bytes=2_000,
        max_streams_per_recipient=2,
    ) as started:
        yield started


@pytest.fixture
def ann() -> str:
    """A recipient that only this test has."""
    return f"ann-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def bob() -> str:
    return f"bob-{uuid.uuid4().hex[:8]}"
