"""The peers as systems under measurement: how each is started, and at which settings.

The numbers of threads and tasks are those that did best on two cores: `bench.rows.tune`.
"""

import re
from dataclasses import dataclass

import aio_pika

from bench.peers import documents
from bench.peers.place import Place
from bench.plot import Plot, python
from fogbell_local.processes import Program

EXPAND_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Peer:
    """One system in one way of running it.

    ``publisher`` is its name for `bench.peers.expand`; ``concurrency`` is what one process does at
    once; Celery's prefork pool has a child process for each.
    """

    name: str
    publisher: str
    concurrency: int
    prefetch: int = 64

    def commands(self, processes: int, queue: str) -> list[list[str]]:
        """What starts ``processes`` that work on ``queue``: one program, where that starts all."""
        raise NotImplementedError

    async def place(self, plot: Plot, smtp_port: int = 0) -> Place:
        """Where its processes find everything, the records' index made."""
        await plot.db.deliveries.drop()
        await plot.db.deliveries.create_indexes([documents.DUE])
        return Place(
            plot.mongodb, plot.rabbitmq, plot.database, plot.queue, smtp_port, self.prefetch
        )

    async def expand(self, plot: Plot, place: Place, count: int, processes: int = 1) -> float:
        """A record and a message for each of ``count`` recipients; the seconds it took."""
        share = -(-count // processes)
        programs = []
        for start in range(0, count, share):
            shown = [str(start), str(min(start + share, count))]
            command = python("-m", "bench.peers.expand", self.publisher, *shown)
            programs.append(await plot.start("expand", command, place.environment()))
        texts = [await plot.output("expand", p, EXPAND_SECONDS) for p in programs]
        spans = [re.findall(r"^expanded (\S+) (\S+)$", text, re.MULTILINE)[0] for text in texts]
        return max(float(end) for _, end in spans) - min(float(start) for start, _ in spans)

    async def start(self, plot: Plot, place: Place, processes: int) -> list[Program]:
        """Start workers; they begin as soon as each is up."""
        told = place.environment() | {"dramatiq_queue_prefetch": str(place.prefetch)}
        commands = self.commands(processes, place.queue)
        return [await plot.start(self.name, command, told) for command in commands]


_CELERY = (
    "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING",
)  # fmt: skip


class Celery(Peer):
    """Its queue is made before anything uses it: RabbitMQ refuses messages for a quorum queue that
    it is still making, and all publishers at once would have it made.
    """

    async def place(self, plot: Plot, smtp_port: int = 0) -> Place:
        """As any peer's, with the queue as `with_celery` declares it."""
        place = await super().place(plot, smtp_port)
        async with await aio_pika.connect(place.rabbitmq) as connection:
            channel = await connection.channel()
            await channel.declare_queue(
                place.queue, durable=True, arguments={"x-queue-type": "quorum"}
            )
        return place


class CeleryPrefork(Celery):
    """One task at a time in each of its processes."""

    def commands(self, processes: int, queue: str) -> list[list[str]]:
        """``processes`` times ``concurrency`` children."""
        return [_celery("prefork", processes * self.concurrency, queue)]


class CeleryThreads(Celery):
    """Threads in one process; several processes are several workers."""

    def commands(self, processes: int, queue: str) -> list[list[str]]:
        """A worker has one process of threads, so there are as many workers."""
        return [_celery("threads", self.concurrency, queue, n) for n in range(processes)]


class Dramatiq(Peer):
    """Threads in each of its processes."""

    def commands(self, processes: int, queue: str) -> list[list[str]]:
        """One program."""
        told = f"--processes={processes} --threads={self.concurrency} --queues={queue}"
        return [python("-m", "dramatiq", "bench.peers.with_dramatiq", *told.split())]


class Taskiq(Peer):
    """Tasks of an event loop in each of its processes."""

    def commands(self, processes: int, queue: str) -> list[list[str]]:  # noqa: ARG002 - the broker's
        """One program."""
        told = f"--workers={processes} --max-async-tasks={self.concurrency}"
        told += " --ack-type=when_executed --log-level=WARNING"
        return [python("-m", "taskiq", "worker", "bench.peers.with_taskiq:broker", *told.split())]


def _celery(pool: str, concurrency: int, queue: str, number: int = 1) -> list[str]:
    return python(
        "-m", "celery", "--app=bench.peers.with_celery", "worker", f"--pool={pool}",
        f"--concurrency={concurrency}", f"--queues={queue}", f"--hostname=w{number}@%h", *_CELERY,
    )  # fmt: skip


PEERS: tuple[Peer, ...] = (
    CeleryPrefork("celery-prefork", "celery", concurrency=4),
    CeleryThreads("celery-threads", "celery", concurrency=16),
    Dramatiq("dramatiq", "dramatiq", concurrency=16),
    Taskiq("taskiq", "taskiq", concurrency=50, prefetch=100),
)
PUBLISHERS = ("celery", "dramatiq", "taskiq")
NAMES = [peer.name for peer in PEERS]
