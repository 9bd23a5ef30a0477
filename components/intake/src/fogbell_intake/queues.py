"""How RabbitMQ's queues stand: intake is always there to say so, whoever else is not."""

import asyncio

from fogbell.broker import BrokerUnavailableError, Publisher, QueueLook, Topology
from fogbell_intake.metrics import IntakeMetrics

LOOK_PAUSE = 10.0
"""Seconds between two looks: shorter than any scrape's interval that is usual."""

BACK_PAUSE = 1.0
"""Seconds until the next look where RabbitMQ does not answer."""


async def watch_queues(publisher: Publisher, topology: Topology, metrics: IntakeMetrics) -> None:
    """Show each queue's length and consumers, until cancelled; nothing where nobody knows them."""
    while True:
        try:
            looks = await _look(publisher, topology)
        except BrokerUnavailableError:
            looks = {}
        metrics.queues(looks)
        await asyncio.sleep(LOOK_PAUSE if looks else BACK_PAUSE)


async def _look(publisher: Publisher, topology: Topology) -> dict[str, QueueLook]:
    # One after the other: a passive declaration takes a millisecond, and the channel is shared.
    return {topology.word(queue): await publisher.look(queue) for queue in topology.queues()}
