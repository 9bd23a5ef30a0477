"""Publishers, consumers and raw queues for tests of the broker."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import aio_pika
from aio_pika.abc import AbstractChannel
from tests.support.queues import delete_queues
from tests.support.waiting import eventually

from fogbell.broker import Consumer, EventListener, InboxEvent, Publisher, Received, Topology


@asynccontextmanager
async def queues_of(uri: str, topology: Topology) -> AsyncIterator[Topology]:
    """``topology``, whose queues and exchange are deleted afterwards."""
    try:
        yield topology
    finally:
        await delete_queues(uri, "", topology.queues())
        async with raw_channel(uri) as channel:
            await channel.exchange_delete(topology.events)


@asynccontextmanager
async def raw_channel(uri: str) -> AsyncIterator[AbstractChannel]:
    """A channel past everything of Fogbell's, to do to the broker what others might."""
    connection = await aio_pika.connect(uri)
    async with connection, connection.channel() as channel:
        yield channel


async def waiting_in(uri: str, queue: str) -> int:
    """How many messages are ready in ``queue``."""
    async with raw_channel(uri) as channel:
        declared = await channel.declare_queue(queue, passive=True)
        return declared.declaration_result.message_count or 0


async def wait_for(uri: str, queue: str, messages: int) -> None:
    """Return once ``messages`` are ready: those of a closed consumer return only by and by."""

    async def there() -> bool:
        return await waiting_in(uri, queue) == messages

    await eventually(there)


async def put(uri: str, queue: str, body: bytes) -> None:
    """Publish any bytes to ``queue``."""
    async with raw_channel(uri) as channel:
        await channel.default_exchange.publish(aio_pika.Message(body), routing_key=queue)


@asynccontextmanager
async def publishing(
    uri: str, topology: Topology, counts: Counter[str] | None = None
) -> AsyncIterator[Publisher]:
    """A connected publisher that counts into ``counts``."""
    counted = Counter[str]() if counts is None else counts
    publisher = Publisher(uri, topology, name="test", count=lambda word, _: counted.update([word]))
    publisher.start()
    try:
        async with asyncio.timeout(15):
            await publisher.wait_connected()
        yield publisher
    finally:
        await publisher.close()


class Reader:
    """A consumer that keeps what it is handed."""

    def __init__(self, uri: str, topology: Topology, queue: str, prefetch: int = 3) -> None:
        self.received: list[Received] = []
        self.undecodable = 0
        self.consumer = Consumer(
            uri,
            topology,
            queue,
            prefetch=prefetch,
            receive=self.received.append,
            count_undecodable=self._count,
        )

    def _count(self) -> None:
        self.undecodable += 1

    @property
    def ids(self) -> list[UUID]:
        """The ids of everything received, in order."""
        return [i for message in self.received for i in message.ids.ids]

    def has(self, number: int) -> bool:
        """Whether at least ``number`` messages have been received."""
        return len(self.received) >= number

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Reader"]:
        """This reader, consuming."""
        self.consumer.start()
        try:
            async with asyncio.timeout(15):
                await self.consumer.consuming.wait()
            yield self
        finally:
            await self.consumer.close()

    @asynccontextmanager
    async def holding(self, number: int) -> AsyncIterator["Reader"]:
        """This reader, consuming, once it has been handed ``number`` messages."""
        async with self.running():
            await eventually(lambda: len(self.received) == number)
            yield self


class Ear:
    """A listener that keeps what it hears."""

    def __init__(self, uri: str, topology: Topology) -> None:
        self.events: list[InboxEvent] = []
        self.resumptions = 0
        self.listener = EventListener(
            uri, topology, name="test", receive=self.events.append, resumed=self._resumed
        )

    def _resumed(self) -> None:
        self.resumptions += 1

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Ear"]:
        """This listener, connected."""
        self.listener.start()
        try:
            await eventually(self.listener.listening.is_set)
            yield self
        finally:
            await self.listener.close()
