"""How RabbitMQ's queues stand: intake is always there to say so, whoever else is not."""

import asyncio
from collections.abc import Callable, Mapping

from fogbell.broker import BrokerUnavailableError, Publisher, QueueLook, Topology

BACK_PAUSE = 1.0
"""Seconds until the next look where RabbitMQ does not answer."""

Looks = Mapping[str, QueueLook]


async def watch_queues(
    publisher: Publisher, topology: Topology, show: Callable[[Looks], None], pause: float
) -> None:
    """Have shown each queue's length and consumers, each ``pause`` seconds; nothing where nobody
    knows them.
    """
    while True:
        try:
            looks = await _look(publisher, topology)
        except BrokerUnavailableError:
            looks = {}
        show(looks)
        await asyncio.sleep(pause if looks else BACK_PAUSE)


async def _look(publisher: Publisher, topology: Topology) -> dict[str, QueueLook]:
    # One after the other: a passive declaration takes a millisecond, and the channel is shared.
    return {topology.word(queue): await publisher.look(queue) for queue in topology.queues()}
