"""What a run stands on: servers of its own behind proxies, the sink, and the components."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.chaos.books import Books
from tests.chaos.campaigns import Campaigns
from tests.chaos.client import Client
from tests.chaos.fleet import Fleet
from tests.chaos.load import Load
from tests.chaos.people import People
from tests.chaos.proxies import Proxies, Proxy
from tests.chaos.sizes import REPLICA_SET, Sizes
from tests.chaos.tools import Programs
from tests.support.making import Say

from fogbell.broker import Topology
from fogbell.store.database import Database
from fogbell_client import calls
from fogbell_local.environment import Place
from fogbell_local.providers import FCM, GATEWAYS, LocalProviders
from fogbell_local.servers import RabbitServer, ReplicaSet
from fogbell_local.sink import Behaviour, SinkServer

NAME = "chaos"
USUAL = Behaviour(delay=0.05)
"""A provider takes its time: so something is always being sent when a fault strikes."""


@dataclass(frozen=True)
class Servers:
    """What components speak to, and what stands before each: nothing, where nothing is needed."""

    mongodb: ReplicaSet
    rabbitmq: RabbitServer
    sink: SinkServer
    mongodb_proxies: Sequence[Proxy] = ()
    rabbitmq_proxy: Proxy | None = None

    @property
    def rabbitmq_uri(self) -> str:
        """RabbitMQ's, through its proxy if there is one."""
        if self.rabbitmq_proxy is None:
            return self.rabbitmq.uri
        return f"amqp://guest:guest@127.0.0.1:{self.rabbitmq_proxy.port}/"

    @property
    def place(self) -> Place:
        """Where components find all of it."""
        sink = self.sink
        return Place(
            mongodb=self.mongodb.uri,
            rabbitmq=self.rabbitmq_uri,
            smtp_url=f"smtp://{sink.host}:{sink.smtp_port}",
            webhook_port=sink.webhook_port,
            database=NAME,
            prefix=f"{NAME}.",
            providers=LocalProviders(
                sms={name: sink.provider_url(name) for name in GATEWAYS},
                fcm=sink.provider_url(FCM),
                service_account=sink.service_account(FCM),
            ),
        )


@dataclass(frozen=True)
class Ground:
    """All of it, and ``programs`` for the faults."""

    directory: Path
    servers: Servers
    fleet: Fleet
    books: Books
    client: Client
    load: Load
    campaigns: Campaigns
    programs: Programs

    @property
    def topology(self) -> Topology:
        """The queues' names."""
        return Topology(f"{NAME}.")

    @contextlib.asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        """The records, read past the proxies' troubles once these are healed."""
        database = Database(self.servers.mongodb.uri, NAME)
        try:
            yield database
        finally:
            database.close()


@contextlib.asynccontextmanager
async def standing(
    directory: Path, programs: Programs, sizes: Sizes, seed: int, say: Say
) -> AsyncIterator[Ground]:
    """Start everything, and end all of it at the end, however that comes."""
    async with contextlib.AsyncExitStack() as stack:
        say("starting three MongoDBs, RabbitMQ, their proxies and the sink")
        servers = await asyncio.to_thread(_servers, stack, directory, programs)
        own = {k: v for k, v in os.environ.items() if not k.startswith("FOGBELL_")}
        say("starting intake, workers and retry")
        fleet = Fleet(servers.place, own, directory / "logs", sizes)
        stack.push_async_callback(fleet.stop)
        await fleet.start()
        books = Books()
        client = Client(fleet.urls)
        stack.push_async_callback(client.close)
        people = People(sizes.people, servers.sink.webhook_url)
        await client.until_answered(calls.import_recipients(people.csv(), "text/csv"))
        load = Load(
            client, books, people, sizes, servers.sink.webhook_url, Random(f"{seed} load")
        )  # fmt: skip
        stack.push_async_callback(load.abandon)
        campaigns = Campaigns(
            books, people, fleet.common("campaign"), directory / "logs", Random(f"{seed} runs")
        )
        stack.push_async_callback(campaigns.abandon)
        yield Ground(directory, servers, fleet, books, client, load, campaigns, programs)


def _servers(stack: contextlib.AsyncExitStack, directory: Path, programs: Programs) -> Servers:
    proxies: Proxies | None = None
    if programs.toxiproxy is not None:
        proxies = stack.enter_context(Proxies(programs.toxiproxy, directory))
    before: list[Proxy] = []

    def told_of(port: int) -> int:
        if proxies is None:
            return port
        before.append(proxies.before(f"mongodb-{len(before) + 1}", port))
        return before[-1].port

    with ThreadPoolExecutor() as pool:
        starting = pool.submit(RabbitServer.start, directory / "rabbitmq", contained=False)
        starting.add_done_callback(lambda done: _discard_later(stack, done))
        mongodb = ReplicaSet.start(directory / "mongodb", before=told_of, settings=REPLICA_SET)
        stack.callback(mongodb.discard)
        rabbitmq = starting.result()
    sink = stack.enter_context(SinkServer.start(directory / "sink", USUAL))
    rabbitmq_proxy = None if proxies is None else proxies.before("rabbitmq", rabbitmq.port)
    return Servers(mongodb, rabbitmq, sink, before, rabbitmq_proxy)


def _discard_later(stack: contextlib.AsyncExitStack, started: "Future[RabbitServer]") -> None:
    if started.exception() is None:
        stack.callback(started.result().discard)
