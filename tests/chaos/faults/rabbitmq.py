"""RabbitMQ: killed, stopped, its queues emptied, its data lost, its memory alarm raised."""

import asyncio
import time

import aio_pika
from tests.chaos.faults.fault import Fault

BACKLOG_RUNS, BACKLOG_SECONDS = 6, 10.0
"""So many make more messages than workers take at once, within that time."""

LITTLE, USUAL = "0.000001", "0.4"
"""Of the machine's memory, what RabbitMQ may take before it blocks publishers."""


class KillBroker(Fault):
    """SIGKILL; what was confirmed is on its disk."""

    async def start(self) -> None:
        """Kill it."""
        await asyncio.to_thread(self.ground.servers.rabbitmq.kill)

    async def heal(self) -> None:
        """Start it again, on its data."""
        await asyncio.to_thread(self.ground.servers.rabbitmq.restart)


class FreezeBroker(Fault):
    """SIGSTOP: connections stay, and nothing answers."""

    async def start(self) -> None:
        """Stop it."""
        await asyncio.to_thread(self.ground.servers.rabbitmq.freeze)

    async def heal(self) -> None:
        """Let it go on."""
        await asyncio.to_thread(self.ground.servers.rabbitmq.thaw)


class Purge(Fault):
    """Every queue is emptied, as by somebody who wants to be rid of a backlog."""

    async def start(self) -> None:
        """See to it that there is one, and empty them until something was lost."""
        self.ground.load.burst(BACKLOG_RUNS)
        connection = await aio_pika.connect(self.ground.servers.rabbitmq.uri)
        purged, deadline = 0, time.monotonic() + BACKLOG_SECONDS
        async with connection, connection.channel() as channel:
            while not purged and time.monotonic() < deadline:
                for name in self.ground.topology.queues():
                    queue = await channel.get_queue(name, ensure=False)
                    purged += (await queue.purge()).message_count or 0
        self.struck = f"{purged} messages"

    async def heal(self) -> None:
        """Nothing brings them back: the sweep publishes again."""


class Wipe(Fault):
    """Everything is lost: queues, messages, users. A new node comes up on the same ports."""

    async def start(self) -> None:
        """Lose it all."""
        await asyncio.to_thread(self.ground.servers.rabbitmq.kill)

    async def heal(self) -> None:
        """Start a node that knows nothing."""
        await asyncio.to_thread(self.ground.servers.rabbitmq.wipe)


class Alarm(Fault):
    """Its memory alarm: publishers are blocked, consumers are not."""

    async def start(self) -> None:
        """Say that there is hardly any memory."""
        await self._watermark(LITTLE)

    async def heal(self) -> None:
        """Say that there is enough."""
        await self._watermark(USUAL)

    async def _watermark(self, share: str) -> None:
        rabbitmq = self.ground.servers.rabbitmq
        await asyncio.to_thread(rabbitmq.control, "set_vm_memory_high_watermark", share)
