"""A private MongoDB: a replica set of one node, on loopback, with its data in a directory."""

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pymongo
from pymongo.errors import OperationFailure, PyMongoError

from fogbell_local.servers import docker, programs
from fogbell_local.servers.ports import kept_ports
from fogbell_local.servers.process import POLL_SECONDS, GuardedProcess, ServerError

ADDRESS_VARIABLE = "FOGBELL_MONGODB_URI"
START_SECONDS = 60.0
STOP_SECONDS = 20.0

_REPLICA_SET = "rs0"
_ALREADY_INITIALIZED = 23


class MongoServer:
    """A mongod that this process started, or (``find``) somebody else's at an address.

    ``uri`` names the replica set and no database. All methods block; an asyncio program calls
    them through ``asyncio.to_thread``. The server ends with the process that started it.
    """

    def __init__(self, uri: str, launch: "_Launch | None") -> None:
        self.uri = uri
        self._launch = launch
        self._process: GuardedProcess | None = None

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
        launch = _Launch(directory, cache_gb)
        server = cls(launch.uri, launch)
        server._begin()
        return server

    @property
    def pid(self) -> int:
        """The running server's process id (with Docker: its client's). Raises ServerError."""
        if self._process is None:
            raise ServerError(f"MongoDB at {self.uri} is not running, or not ours")
        return self._process.pid

    def stop(self) -> None:
        """Shut down cleanly; nothing for a server that is stopped or not ours."""
        if self._process is not None:
            self._process.terminate(STOP_SECONDS)
            self._process = None

    def kill(self) -> None:
        """SIGKILL: what was not in the journal is lost, as in a power cut."""
        assert self.pid
        assert self._process is not None
        self._process.kill()
        self._process = None

    def restart(self) -> None:
        """Start again on the same port and data, after a clean stop if it still runs."""
        self.stop()
        self._begin()

    def discard(self) -> None:
        """End it at once and delete its data; nothing for a server that is not ours."""
        if self._process is not None:
            self.kill()
        if self._launch is not None:
            self._launch.discard_data()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.stop()

    def _begin(self) -> None:
        if self._launch is None:
            raise ServerError(f"MongoDB at {self.uri} was found, not started: it is left alone")
        self._process = self._launch.start()


class _Launch:
    """How one private server is started, the same way each time."""

    def __init__(self, directory: Path, cache_gb: float) -> None:
        port = self._port = kept_ports(directory, 1)[0]
        self._data = directory / "data"
        self._log = directory / "mongod.log"
        self._options = (
            f"--replSet={_REPLICA_SET}", f"--port={port}", f"--wiredTigerCacheSizeGB={cache_gb}",
            # a sample of everything each second, which nobody reads here
            "--setParameter=diagnosticDataCollectionEnabled=false",
        )  # fmt: skip
        self._container: docker.Container | None = None
        if docker.has_image(docker.MONGODB_IMAGE):
            self._container = docker.Container(docker.MONGODB_IMAGE, port, directory, "/data/db")

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self._port}/?replicaSet={_REPLICA_SET}"

    def start(self) -> GuardedProcess:
        process = self._run()
        deadline = time.monotonic() + START_SECONDS
        with pymongo.MongoClient[dict[str, Any]](
            f"mongodb://127.0.0.1:{self._port}/?directConnection=true",
            serverSelectionTimeoutMS=int(POLL_SECONDS * 1000),
        ) as client:
            process.wait_until(
                lambda: _is_primary(client, self._port), deadline - time.monotonic(), "MongoDB"
            )
        return process

    def discard_data(self) -> None:
        if self._container is not None:
            self._container.discard_data()
        shutil.rmtree(self._data, ignore_errors=True)

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
        client.admin.command("replSetInitiate", {"_id": _REPLICA_SET, "members": members})
    except OperationFailure as failure:
        if failure.code != _ALREADY_INITIALIZED:  # a restarted node is still reading its own
            raise
