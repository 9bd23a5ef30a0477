"""How the queues stand, on a connection of its own: what is slow to answer holds up no publish."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import ChannelNotFoundEntity

from fogbell.broker.connection import broker_errors, supervise
from fogbell.broker.topology import Topology

log = structlog.get_logger(__name__)

ANSWER_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class QueueLook:
    """A queue at one moment: messages that wait, and who consumes it."""

    messages: int
    consumers: int


Looks = Mapping[str, QueueLook]
"""By the queues' names without their prefix. What is not there has no look."""


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
        self._uri = uri
        self._topology = topology
        self._name = f"{name}-queues"
        self._show = show
        self._pause = pause
        self._supervisor: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to connect and look, in the background."""
        self._supervisor = asyncio.create_task(supervise(self._uri, self._name, self._watch))

    async def close(self) -> None:
        """Look no more."""
        if self._supervisor:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)

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
            look = await _passively(connection, queue)
            if look is not None:
                looks[self._topology.word(queue)] = look
        return looks


async def _passively(connection: AbstractConnection, queue: str) -> QueueLook | None:
    # A channel each: the answer that there is no such queue closes it.
    with broker_errors():
        async with asyncio.timeout(ANSWER_TIMEOUT):
            channel = await connection.channel(publisher_confirms=False)
            try:
                underlay = await channel.get_underlay_channel()
                answer = await underlay.queue_declare(queue, passive=True)
            except ChannelNotFoundEntity:
                return None
            await channel.close()
    return QueueLook(answer.message_count or 0, answer.consumer_count or 0)
