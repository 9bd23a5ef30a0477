"""The ground that a test's components stand on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.system import Ground

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
