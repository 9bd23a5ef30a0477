"""The chart's script that keeps a trial's MongoDB a replica set of one, on real servers."""

import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymongo
import pytest
from pymongo.errors import OperationFailure
from pymongo.uri_parser import parse_uri
from tests.support.waiting import eventually

from fogbell_local.servers import MongoServer
from fogbell_local.servers.ports import free_ports
from fogbell_local.servers.process import GuardedProcess

SCRIPT = Path(__file__).parents[2] / "charts" / "fogbell" / "files" / "replica_set.py"
NOT_A_MEMBER = 93
PRIMARY_SECONDS = 60.0  # an election, and what a busy machine adds

Client = pymongo.MongoClient[dict[str, Any]]
Start = Callable[[Path], MongoServer]


@pytest.fixture
def start() -> Iterator[Start]:
    """A mongod that nobody has initiated here, with the data that its directory has."""
    servers: list[MongoServer] = []

    def member(directory: Path) -> MongoServer:
        servers.append(MongoServer.member(directory))
        return servers[-1]

    yield member
    for server in servers:
        server.discard()


@contextmanager
def kept(server: MongoServer, log: Path) -> Iterator[Callable[[], bool]]:
    """The script keeps ``server`` a replica set; yields whether it says that there is a primary."""
    (ready,) = free_ports(1)
    host, port = parse_uri(server.uri)["nodelist"][0]
    process = GuardedProcess([sys.executable, str(SCRIPT), f"{host}:{port}", str(ready)], log)

    def has_primary() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", ready)) == 0

    try:
        yield has_primary
    finally:
        process.terminate(10)


def why_no_status(client: Client) -> int | None:
    """The code with which MongoDB refuses to say how its set is: another while it still reads."""
    with pytest.raises(OperationFailure) as refused:
        client.admin.command("replSetGetStatus")
    return refused.value.code


async def test_a_set_is_begun_and_watched_while_its_member_comes_and_goes(
    start: Start, tmp_path: Path
) -> None:
    server = start(tmp_path / "mongodb")
    with kept(server, tmp_path / "log") as has_primary:
        await eventually(has_primary, PRIMARY_SECONDS)
        server.stop()
        await eventually(lambda: not has_primary(), PRIMARY_SECONDS)
        server.restart()
        await eventually(has_primary, PRIMARY_SECONDS)
    assert (tmp_path / "log").read_text().count("begun with") == 1


async def test_a_member_that_did_not_find_itself_is_taken_in_again_with_its_data(
    start: Start, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    server = start(first)
    with kept(server, tmp_path / "log") as has_primary:
        await eventually(has_primary, PRIMARY_SECONDS)
        with Client(server.uri) as client:
            client.get_database("trial").things.insert_one({"_id": "kept"})
    server.stop()
    second.mkdir()
    shutil.move(first / "data", second / "data")

    server = start(second)  # at another port: none of its set's members is itself
    with Client(server.uri) as client:
        await eventually(lambda: why_no_status(client) == NOT_A_MEMBER, PRIMARY_SECONDS)
        with kept(server, tmp_path / "log") as has_primary:
            await eventually(has_primary, PRIMARY_SECONDS)
        client.get_database("trial").things.insert_one({"_id": "new"})
        assert client.get_database("trial").things.distinct("_id") == ["kept", "new"]
