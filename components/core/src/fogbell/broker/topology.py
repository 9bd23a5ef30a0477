"""Names and arguments of queues and exchanges, and their declaration.

Quorum queues, so that a message confirmed survives a node. No queue TTL: a quiet queue must not
vanish. ``reject-publish`` at ``max-length``: what does not fit is left to the sweep.
Source: RabbitMQ documentation, "Quorum Queues" and "Queue Length Limit".
"""

from collections.abc import Iterable
from dataclasses import dataclass

import structlog
from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange
from aio_pika.exceptions import ChannelPreconditionFailed
from aiormq.abc import FieldTable

from fogbell.model.status import PUSH_CHANNELS, Channel, Lane

log = structlog.get_logger(__name__)

DEFAULT_PREFIX = "fogbell."


@dataclass(frozen=True, slots=True)
class Topology:
    """Every name that Fogbell has on the broker; ``prefix`` keeps installations apart.

    ``max_length`` is in messages a queue.
    """

    prefix: str = DEFAULT_PREFIX
    max_length: int = 1_000_000

    def queue(self, channel: Channel, lane: Lane) -> str:
        """The queue of one channel and lane, such as ``fogbell.email.bulk``."""
        return f"{self.prefix}{channel.value}.{lane.value}"

    def word(self, queue: str) -> str:
        """``queue`` without what keeps installations apart: ``email.bulk``, ``expansion``."""
        return queue.removeprefix(self.prefix)

    @property
    def expansion(self) -> str:
        """The queue of notifications to expand."""
        return f"{self.prefix}expansion"

    @property
    def dead(self) -> str:
        """Where messages go that nobody can decode."""
        return f"{self.prefix}dead"

    @property
    def events(self) -> str:
        """The fanout exchange of what is live."""
        return f"{self.prefix}events"

    def queues(self) -> list[str]:
        """Every queue, the dead letters' first, since the others point to it."""
        work = [self.queue(c, lane) for c in sorted(PUSH_CHANNELS) for lane in Lane]
        return [self.dead, self.expansion, *work]


async def declare(
    connection: AbstractConnection, topology: Topology, queues: Iterable[str]
) -> None:
    """Declare ``queues`` (and the dead letters'), on a channel of its own.

    Repeating it changes nothing. A queue that exists with other arguments (``max_length`` was
    changed since) is used as it is, and said so: a limit must not stop the bell.
    """
    channel = await connection.channel(publisher_confirms=False)
    for name in [topology.dead, *(name for name in queues if name != topology.dead)]:
        try:
            await channel.declare_queue(name, durable=True, arguments=_arguments(topology, name))
        except ChannelPreconditionFailed as error:
            log.warning("queue_declared_otherwise", queue=name, reason=str(error))
            channel = await connection.channel(publisher_confirms=False)
    await channel.close()


def _arguments(topology: Topology, name: str) -> FieldTable:
    arguments: FieldTable = {
        "x-queue-type": "quorum",
        "x-max-length": topology.max_length,
    }
    if name == topology.dead:
        return arguments
    return arguments | {
        "x-overflow": "reject-publish",
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": topology.dead,
    }


async def declare_events(channel: AbstractChannel, topology: Topology) -> AbstractExchange:
    """Declare the fanout exchange of live events."""
    return await channel.declare_exchange(topology.events, ExchangeType.FANOUT, durable=True)
