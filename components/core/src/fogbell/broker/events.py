"""Listening to what is live: a queue of one's own on the fanout exchange.

Nothing durable: who was away reads the store instead.
"""

import asyncio
from collections.abc import Callable

import structlog
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage

from fogbell.broker.connection import Supervision
from fogbell.broker.messages import InboxEvent, UndecodableMessageError, decode_event
from fogbell.broker.topology import Topology, declare_events

log = structlog.get_logger(__name__)


class EventListener:
    """Calls ``receive`` for each event, and ``resumed`` after each (re)connection.

    Events published while it was away are missed: ``resumed`` is where to read the store again.
    """

    def __init__(
        self,
        uri: str,
        topology: Topology,
        *,
        name: str,
        receive: Callable[[InboxEvent], None],
        resumed: Callable[[], None],
    ) -> None:
        self._topology = topology
        self._receive = receive
        self._resumed = resumed
        self._supervision = Supervision(uri, f"{name}-events", self._listen)
        self.listening = asyncio.Event()

    def start(self) -> None:
        """Begin to connect and listen, in the background."""
        self._supervision.start()

    async def close(self) -> None:
        """Stop listening."""
        await self._supervision.close()

    async def _listen(self, connection: AbstractConnection) -> None:
        channel = await connection.channel(publisher_confirms=False)
        exchange = await declare_events(channel, self._topology)
        queue = await channel.declare_queue(exclusive=True, auto_delete=True)
        await queue.bind(exchange)
        await queue.consume(self._on_message, no_ack=True)
        self.listening.set()
        self._resumed()
        try:
            await channel.closed()
        finally:
            self.listening.clear()

    async def _on_message(self, message: AbstractIncomingMessage) -> None:
        try:
            event = decode_event(message.body)
        except UndecodableMessageError as error:
            log.warning("undecodable_event", expected=str(error))
            return
        self._receive(event)
