"""A private MongoDB: a replica set of one node, on loopback, with its data in a directory.

Or one member of a larger set, which `fogbell_local.servers.replica_set` puts together.
"""

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import pymongo
from pymongo.errors import OperationFailure, PyMongoError

from fogbell_local.servers import docker, programs
from fogbell_local.servers.ports import kept_ports
from fogbell_local.servers.process import POLL_SECONDS, GuardedProcess, ServerError
from fogbell_local.servers.server import Server

ADDRESS_VARIABLE = "FOGBELL_MONGODB_URI"
START_SECONDS = 60.0

REPLICA_SET = "rs0"
_ALREADY_INITIALIZED = 23


class MongoServer(Server):
    """A mongod that this process started, or (``find``) somebody else's at an address.

    ``uri`` names the replica set and no database.
    """

    name = "MongoDB"

    @classmethod
    def find(cls, directory: Path) -> Self:
        """The server at ``FOGBELL_MONGODB_URI``, else a private one as by `start`."""
        address = os.environ.get(ADDRESS_VARIABLE)
        return cls(address, None) if address else cls.start(directory)

    @classmethod
    def start(cls, directory: Path, *, cache_gb: float = 0.25) -> Self:
        """Start a private server and wait for a writable primary.

        ``directory`` takes data and log; ``cache_gb`` is WiredTiger's cache (at least 0.25).
        Raises ServerError, with the end of the log where there is one.
        """
        return cls._started(_Launch(directory, cache_gb))

    @classmethod
    def member(cls, directory: Path, *, cache_gb: float = 0.25) -> Self:
        """Start a member of a set that somebody else initiates, and wait until it answers.

        Its ``uri`` is this member's alone. Raises ServerError as `start` does.
        """
        return cls._started(_Member(directory, cache_gb))

    @classmethod
    def _started(cls, launch: "_Launch") -> Self:
        server = cls(launch.uri, launch)
        server._begin()
        return server


class _Launch:
    """How one private server is started, the same way each time."""

    def __init__(self, directory: Path, cache_gb: float, *, contained: bool = True) -> None:
        port = self._port = kept_ports(directory, 1)[0]
        self._data = directory / "data"
        self._log = directory / "mongod.log"
        self._options = (
            f"--replSet={REPLICA_SET}", f"--port={port}", f"--wiredTigerCacheSizeGB={cache_gb}",
            # a sample of everything each second, which nobody reads here
            "--setParameter=diagnosticDataCollectionEnabled=false",
        )  # fmt: skip
        self._container: docker.Container | None = None
        if contained and docker.has_image(docker.MONGODB_IMAGE):
            self._container = docker.Container(docker.MONGODB_IMAGE, port, directory, "/data/db")

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self._port}/?replicaSet={REPLICA_SET}"

    def start(self) -> GuardedProcess:
        process = self._run()
        deadline = time.monotonic() + START_SECONDS
        with pymongo.MongoClient[dict[str, Any]](
            f"mongodb://127.0.0.1:{self._port}/?directConnection=true",
            serverSelectionTimeoutMS=int(POLL_SECONDS * 1000),
        ) as client:
            process.wait_until(
                lambda: self._is_ready(client), deadline - time.monotonic(), "MongoDB"
            )
        return process

    def after_end(self) -> None:
        """Nothing is left behind."""

    def discard_data(self) -> None:
        if self._container is not None:
            self._container.discard_data()
        shutil.rmtree(self._data, ignore_errors=True)

    def _is_ready(self, client: pymongo.MongoClient[dict[str, Any]]) -> bool:
        return _is_primary(client, self._port)

    def _run(self) -> GuardedProcess:
        if self._container is not None:
            command = self._container.run(["mongod", "--bind_ip_all", *self._options])
            return GuardedProcess(command, self._log, after=self._container.remove())
        return GuardedProcess(self._local_command(), self._log)

    def _local_command(self) -> Sequence[str]:
        mongod = programs.mongod()
        if mongod is None:
            raise ServerError("no mongod here: run 'fogbell servers install', or set "
                              f"{ADDRESS_VARIABLE}")  # fmt: skip
        self._data.mkdir(parents=True, exist_ok=True)
        return [
            str(mongod), "--bind_ip=127.0.0.1", "--nounixsocket", f"--dbpath={self._data}",
            *self._options,
        ]  # fmt: skip


class _Member(_Launch):
    """One of several. Never a container: inside one, the others' addresses on loopback would be
    its own.
    """

    def __init__(self, directory: Path, cache_gb: float) -> None:
        super().__init__(directory, cache_gb, contained=False)

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self._port}/?directConnection=true"

    def _is_ready(self, client: pymongo.MongoClient[dict[str, Any]]) -> bool:
        """Whether it answers: who is the primary is the others' matter, too."""
        try:
            client.admin.command("ping")
        except PyMongoError:
            return False
        return True


def _is_primary(client: pymongo.MongoClient[dict[str, Any]], port: int) -> bool:
    """Whether the node takes writes; initiates the replica set on the way."""
    try:
        hello = client.admin.command("hello")
        if "setName" not in hello:
            _initiate(client, port)
    except PyMongoError:
        return False
    return bool(hello["isWritablePrimary"])


def _initiate(client: pymongo.MongoClient[dict[str, Any]], port: int) -> None:
    members = [{"_id": 0, "host": f"127.0.0.1:{port}"}]
    try:
        client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": members})
    except OperationFailure as failure:
        if failure.code != _ALREADY_INITIALIZED:  # a restarted node is still reading its own
            raise
