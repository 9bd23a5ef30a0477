"""The private servers that everything else is tested against."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aio_pika
import pymongo
import pytest
from aiormq.abc import FieldTable
from tests.support.waiting import eventually
from yarl import URL

from fogbell_local.servers import MongoServer, RabbitServer, ReplicaSet, ServerError
from fogbell_local.servers.process import GuardedProcess

QUORUM: FieldTable = {"x-queue-type": "quorum"}


def _insert(uri: str, value: int) -> None:
    with pymongo.MongoClient[dict[str, int]](uri) as client:
        client["kept"]["values"].insert_one({"_id": value})


def _count(uri: str) -> int:
    with pymongo.MongoClient[dict[str, int]](uri) as client:
        return client["kept"]["values"].count_documents({})


async def _declare(uri: str, *, passive: bool) -> bool:
    # Not `aio_pika.connect`: given up half-way it leaves a connection that nobody closes.
    async with aio_pika.Connection(URL(uri)) as connection:
        await connection.connect()
        channel = await connection.channel()
        try:
            await channel.declare_queue("kept", durable=True, passive=passive, arguments=QUORUM)
        except aio_pika.exceptions.ChannelNotFoundEntity:
            return False
        return True


def test_a_killed_mongodb_comes_back_on_its_address_with_what_was_committed(
    own_mongo: MongoServer,
) -> None:
    address, first = own_mongo.uri, own_mongo.pid
    _insert(address, 1)
    own_mongo.kill()
    own_mongo.restart()
    assert (own_mongo.uri, _count(address)) == (address, 1)
    assert own_mongo.pid != first


async def test_rabbitmq_keeps_queues_over_a_kill_and_loses_them_in_a_wipe(
    own_rabbit: RabbitServer,
) -> None:
    address = own_rabbit.uri
    assert await _declare(address, passive=False)
    await asyncio.to_thread(own_rabbit.kill)
    await asyncio.to_thread(own_rabbit.restart)
    assert await _declare(address, passive=True)
    await asyncio.to_thread(own_rabbit.wipe)
    assert own_rabbit.uri == address
    assert not await _declare(address, passive=True)


STARTER = """
import pathlib, sys, time
from fogbell_local.servers import MongoServer, RabbitServer
directory = pathlib.Path(sys.argv[1])
servers = MongoServer.start(directory / "m"), RabbitServer.start(directory / "r")
print(flush=True)
time.sleep(600)
"""


def _command_lines(directory: Path) -> list[str]:
    """Of every process that names ``directory`` in its arguments or environment."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                words = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            except OSError:  # it has ended, or is not ours to read
                continue
            if bytes(directory) in words:
                found.append(words.decode(errors="replace")[:80])
    return found


async def test_servers_do_not_outlive_a_starter_that_is_killed(tmp_path: Path) -> None:
    starter = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STARTER, str(tmp_path), stdout=subprocess.PIPE
    )
    assert starter.stdout is not None
    assert await starter.stdout.readline()
    assert len(_command_lines(tmp_path)) >= 4
    starter.kill()
    await starter.wait()
    await eventually(lambda: not _command_lines(tmp_path))


def test_a_program_that_ends_while_starting_shows_the_end_of_its_log(tmp_path: Path) -> None:
    process = GuardedProcess(["sh", "-c", "echo no room left"], tmp_path / "log")
    with pytest.raises(ServerError, match="no room left"):
        process.wait_until(lambda: False, 10, "the program")


def test_a_program_that_is_never_ready_is_ended(tmp_path: Path) -> None:
    process = GuardedProcess(["sleep", "600"], tmp_path / "log")
    with pytest.raises(ServerError, match="not ready in time"):
        process.wait_until(lambda: False, 0.1, "the program")
    assert not process.running


def test_a_program_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="could not be run"):
        GuardedProcess(["/nonexistent/program"], tmp_path / "log")


def test_a_stubborn_program_is_killed_with_its_children_and_cleaned_up_after(
    tmp_path: Path,
) -> None:
    mark = tmp_path / "cleaned"
    script = f"trap '' TERM; echo {tmp_path}; sleep 600 & wait; wait"
    process = GuardedProcess(["sh", "-c", script], tmp_path / "log", after=["touch", str(mark)])
    process.wait_until(lambda: str(tmp_path) in process.tail(), 10, "the program")
    process.terminate(timeout=0.1)
    assert mark.exists()
    assert not _command_lines(tmp_path)


def test_a_server_that_was_found_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FOGBELL_MONGODB_URI", "mongodb://elsewhere.test")
    server = MongoServer.find(tmp_path)
    assert server.uri == "mongodb://elsewhere.test"
    server.stop()
    with pytest.raises(ServerError, match="not ours"):
        server.kill()
    with pytest.raises(ServerError, match="left alone"):
        server.restart()


@pytest.fixture
def own_set(tmp_path: Path) -> Iterator[ReplicaSet]:
    times = {"electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500}
    replica_set = ReplicaSet.start(tmp_path / "set", settings=times)
    yield replica_set
    replica_set.discard()


async def test_a_set_whose_primary_is_killed_frozen_or_steps_down_elects_another(
    own_set: ReplicaSet,
) -> None:
    first = own_set.wait_primary()
    _insert(own_set.uri, 1)
    first.server.kill()
    second = own_set.wait_primary()
    assert second is not first
    _insert(own_set.uri, 2)
    first.server.restart()
    second.server.freeze()
    third = own_set.wait_primary()
    assert third is not second
    second.server.thaw()
    # It takes itself for the primary until it has heard of the other.
    await eventually(lambda: own_set.primary() is third, 60)
    own_set.step_down(5)
    assert own_set.wait_primary() is not third
    _insert(own_set.uri, 3)
    assert _count(own_set.uri) == 3


def test_members_are_known_by_the_address_of_what_stands_before_them(tmp_path: Path) -> None:
    asked: list[int] = []

    def before(port: int) -> int:
        asked.append(port)
        return port

    replica_set = ReplicaSet.start(tmp_path / "set", 1, before=before)
    try:
        (member,) = replica_set.members
        assert asked == [member.port]
        assert member.address in replica_set.uri
    finally:
        replica_set.discard()


async def test_a_frozen_rabbitmq_answers_nobody_and_goes_on_afterwards(
    own_rabbit: RabbitServer,
) -> None:
    await asyncio.to_thread(own_rabbit.freeze)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(_declare(own_rabbit.uri, passive=False), 0.5)
    await asyncio.to_thread(own_rabbit.thaw)
    assert await _declare(own_rabbit.uri, passive=False)


async def test_rabbitmq_is_controlled_and_says_why_it_refuses(tmp_path: Path) -> None:
    server = await asyncio.to_thread(RabbitServer.start, tmp_path / "rabbitmq", contained=False)
    try:
        await asyncio.to_thread(server.control, "set_vm_memory_high_watermark", "0.4")
        with pytest.raises(ServerError, match="no_such_command"):
            await asyncio.to_thread(server.control, "no_such_command")
    finally:
        await asyncio.to_thread(server.discard)
