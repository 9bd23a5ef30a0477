"""The ground that benches stand on, and a plot of it: names of one's own on shared servers."""

import asyncio
import contextlib
import os
import sys
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aio_pika
import pymongo
from aio_pika.exceptions import ChannelClosed

from bench.usage import Usage
from fogbell.broker import Topology
from fogbell.store.database import Database
from fogbell.store.indexes import ensure_indexes
from fogbell_local.processes import Program
from fogbell_local.servers import MongoServer, RabbitServer

ROOT = Path(__file__).parents[1]
CACHE_GB = 1.0
"""MongoDB's cache. Its own default is half the machine's memory."""

CORES = 2
"""What RabbitMQ may use, as MongoDB may: `fogbell_local` would give it one, for quick tests."""


@dataclass(frozen=True, slots=True)
class Ground:
    """One MongoDB and one RabbitMQ for a whole run, and a directory for data and logs."""

    mongodb: MongoServer
    rabbitmq: RabbitServer
    directory: Path

    @classmethod
    @contextlib.contextmanager
    def started(cls, directory: Path) -> "Iterator[Ground]":
        """Both servers, started for this run and gone after it with their data."""
        with contextlib.ExitStack() as stack:
            mongodb = MongoServer.start(directory / "mongodb", cache_gb=CACHE_GB)
            stack.callback(mongodb.discard)
            rabbitmq = RabbitServer.start(directory / "rabbitmq", schedulers=CORES)
            stack.callback(rabbitmq.discard)
            yield cls(mongodb, rabbitmq, directory)

    @contextlib.asynccontextmanager
    async def plot(self, name: str) -> "AsyncIterator[Plot]":
        """A database and queues that only one row uses, dropped after it."""
        own = f"{name}{uuid.uuid4().hex[:6]}"
        database = Database(self.mongodb.uri, own, app_name="fogbell-bench")
        plot = Plot(self, database, own, f"{own}.")
        try:
            await ensure_indexes(database)
            yield plot
        finally:
            await plot.kill_all()
            await plot.delete_queues()
            await database.client.drop_database(own)
            database.close()


@dataclass(slots=True)
class Plot:
    """What one sample may use. Everything it starts ends with `clear`."""

    ground: Ground
    db: Database
    database: str
    prefix: str
    started: list[Program] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)

    @property
    def mongodb(self) -> str:
        """MongoDB's address."""
        return self.ground.mongodb.uri

    @property
    def rabbitmq(self) -> str:
        """RabbitMQ's address."""
        return self.ground.rabbitmq.uri

    @property
    def queue(self) -> str:
        """The one queue of a peer."""
        return f"{self.prefix}peer"

    def path(self, name: str) -> Path:
        """A file of this plot's."""
        return self.ground.directory / self.database / name

    async def start(
        self, label: str, command: Sequence[str], environment: Mapping[str, str]
    ) -> Program:
        """Start a program of this Python's environment, and do not wait for it.

        What it is told besides ``environment`` is this process's, without Fogbell's settings.
        """
        number = self._numbers[label] = self._numbers.get(label, 0) + 1
        log = self.path(f"{label}-{number}.log")
        log.parent.mkdir(parents=True, exist_ok=True)
        own = {k: v for k, v in os.environ.items() if not k.startswith("FOGBELL_")}
        whole = own | {"PYTHONPATH": str(ROOT)} | dict(environment)
        program = await asyncio.to_thread(Program, command, log, env=whole)
        self.started.append(program)
        return program

    async def output(self, label: str, program: Program, within: float) -> str:
        """Wait for a program's end; what it wrote. Raises RuntimeError where it fails."""
        async with asyncio.timeout(within):
            while program.exit_status is None:
                await asyncio.sleep(0.01)
        self.started.remove(program)
        await asyncio.to_thread(program.kill)
        text = program.log.read_text(errors="replace")
        if program.exit_status != 0:
            raise RuntimeError(f"{label} ended with {program.exit_status}:\n{text[-2000:]}")
        return text

    async def kill_all(self) -> None:
        """End whatever still runs, at once: what it did is measured and held to account."""
        programs, self.started = self.started, []
        await asyncio.gather(*(asyncio.to_thread(program.kill) for program in programs))

    async def clear(self) -> None:
        """Nothing of a sample is left for the next: no process, no record, no message."""
        await self.kill_all()
        db = self.db
        for collection in (db.deliveries, db.notifications, db.chunks, db.state):
            await collection.drop()
        await self.delete_queues()
        await ensure_indexes(self.db)
        # What was written is on disk before the next sample begins, not during it.
        with pymongo.timeout(60):
            await self.db.client.admin.command("fsync")

    async def delete_queues(self) -> None:
        """Delete what this plot's systems may have declared."""
        connection = await aio_pika.connect(self.rabbitmq)
        async with connection:
            for name in [*Topology(self.prefix).queues(), *self._peer_queues()]:
                channel = await connection.channel()
                with contextlib.suppress(ChannelClosed):
                    await channel.queue_delete(name)

    def _peer_queues(self) -> list[str]:
        """Those that a peer declares besides its own: delayed and dead ones of Dramatiq, and dead
        letters of taskiq.
        """
        return [f"{self.queue}{suffix}" for suffix in ("", ".DQ", ".XQ", ".dead")]

    def server_usage(self) -> dict[str, float]:
        """Seconds of CPU that each server has used so far."""
        ground = self.ground
        servers = {"mongodb": ground.mongodb.pid, "rabbitmq": ground.rabbitmq.pid}
        return {name: Usage.of(pid).cpu for name, pid in servers.items()}

    def used_since(self, before: Mapping[str, float]) -> dict[str, float]:
        """The same since ``before``, as figures: ``cpu_mongodb`` and ``cpu_rabbitmq``."""
        return {f"cpu_{k}": v - before[k] for k, v in self.server_usage().items()}


def python(*arguments: str) -> list[str]:
    """A command for this Python."""
    return [sys.executable, *arguments]


async def raw(db: Database, pipeline: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The result of an aggregation over the deliveries."""
    return [dict(row) for row in await db.deliveries.aggregate(pipeline).to_list(None)]
