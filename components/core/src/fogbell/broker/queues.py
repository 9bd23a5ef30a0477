"""How the queues stand, on a connection of its own: what is slow to answer holds up no publish."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import ChannelNotFoundEntity

from fogbell.broker.connection import Supervision, broker_errors
from fogbell.broker.topology import Topology

ANSWER_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class QueueLook:
    """A queue at one moment: messages that wait, and who consumes it."""

    messages: int
    consumers: int


Looks = Mapping[str, QueueLook]
"""By the queues' names without their prefix. What is not there has no look."""


async def look(channel: AbstractChannel, queue: str) -> QueueLook:
    """How ``queue`` stands. Raises as aio-pika does; where there is none, the channel is closed."""
    underlay = await channel.get_underlay_channel()
    answer = await underlay.queue_declare(queue, passive=True)
    return QueueLook(answer.message_count or 0, answer.consumer_count or 0)


class QueueWatch:
    """Calls ``show`` with a look at every queue, each ``pause`` seconds; with nothing while
    RabbitMQ cannot be asked.
    """

    def __init__(
        self,
        uri: str,
        topology: Topology,
        *,
        name: str,
        show: Callable[[Looks], None],
        pause: float,
    ) -> None:
        self._topology = topology
        self._show = show
        self._pause = pause
        self._supervision = Supervision(uri, f"{name}-queues", self._watch)

    def start(self) -> None:
        """Begin to connect and look, in the background."""
        self._supervision.start()

    async def close(self) -> None:
        """Look no more."""
        await self._supervision.close()

    async def _watch(self, connection: AbstractConnection) -> None:
        try:
            while True:
                self._show(await self._look(connection))
                await asyncio.sleep(self._pause)
        finally:
            self._show({})

    async def _look(self, connection: AbstractConnection) -> Looks:
        looks = {}
        for queue in self._topology.queues():
            found = await _looked_at(connection, queue)
            if found is not None:
                looks[self._topology.word(queue)] = found
        return looks


async def _looked_at(connection: AbstractConnection, queue: str) -> QueueLook | None:
    # A channel each: the answer that there is no such queue closes it.
    with broker_errors():
        async with asyncio.timeout(ANSWER_TIMEOUT):
            channel = await connection.channel(publisher_confirms=False)
            try:
                found = await look(channel, queue)
            except ChannelNotFoundEntity:
                return None
            await channel.close()
    return found
