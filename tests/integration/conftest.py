"""The ground that components stand on: one a test, or one for all tests of a module."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.system import Ground, System

from fogbell.store.database import Database
from fogbell_local.sink import SinkServer


@pytest.fixture
async def ground(
    mongo_uri: str,
    rabbit_uri: str,
    database_name: str,
    topology_prefix: str,
    mail_sink: SinkServer,
    tmp_path: Path,
) -> AsyncIterator[Ground]:
    """The shared servers, with a database, queues and a sink of this test's own."""
    own = Ground(mongo_uri, rabbit_uri, database_name, topology_prefix, mail_sink, tmp_path)
    yield own
    await own.clear()


@pytest.fixture(scope="module")
async def module_ground(
    mongo_uri: str, rabbit_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Ground]:
    """As `ground`, for all tests of a module."""
    directory, name = tmp_path_factory.mktemp("ground"), f"t{uuid.uuid4().hex[:12]}"
    with SinkServer.start(directory / "sink") as sink:
        own = Ground(mongo_uri, rabbit_uri, name, f"{name}.", sink, directory)
        yield own
        await own.clear()
    database = Database(mongo_uri, name)
    await database.client.drop_database(name)
    database.close()


@pytest.fixture(scope="module")
async def running(module_ground: Ground) -> AsyncIterator[System]:
    """Intake, two workers and retry, for all tests of a module: each names people of its own."""
    async with System(module_ground, workers=2) as system:
        yield system
