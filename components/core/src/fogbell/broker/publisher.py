"""Publishing ids: persistent, mandatory, confirmed within a window (protocol step 2).

A failed publish is no error for the caller's work: the record is stored, and the sweep finds it.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from time import perf_counter
from uuid import UUID

import structlog
from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel, AbstractConnection
from opentelemetry.trace import Span, SpanKind

from fogbell.broker.connection import BrokerUnavailableError, Supervision, broker_errors
from fogbell.broker.messages import InboxEvent, encode_event, encode_ids, parts
from fogbell.broker.queues import look
from fogbell.broker.topology import Topology, declare, declare_events
from fogbell.model.status import Channel, Lane
from fogbell.telemetry import traces
from fogbell.together import together

log = structlog.get_logger(__name__)

IDS_A_MESSAGE = {Lane.TRANSACTIONAL: 32, Lane.BULK: 200}
"""A message is the unit of a worker's batch: small where latency counts, large where work does."""

CONFIRM_WINDOW = 64
PUBLISH_TIMEOUT = 5.0

Count = Callable[[str, float], None]


class Publisher:
    """A connection for publishing alone, with a channel in confirm mode.

    ``count`` is called for each message with ``confirmed`` or ``failed``, and the seconds it took.
    """

    def __init__(self, uri: str, topology: Topology, *, name: str, count: Count) -> None:
        self._topology = topology
        self._count = count
        self._channel: AbstractChannel | None = None
        self._connected = asyncio.Event()
        self._window = asyncio.Semaphore(CONFIRM_WINDOW)
        self._supervision = Supervision(uri, f"{name}-publisher", self._session)

    @property
    def connected(self) -> bool:
        """Whether a publish has a chance at this moment."""
        return self._channel is not None

    def start(self) -> None:
        """Begin to connect, in the background; returns at once."""
        self._supervision.start()

    async def wait_connected(self) -> None:
        """Return once connected and declared."""
        await self._connected.wait()

    async def close(self) -> None:
        """End the connection; what is under way fails."""
        await self._supervision.close()

    async def _session(self, connection: AbstractConnection) -> None:
        await declare(connection, self._topology, self._topology.queues())
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        await declare_events(channel, self._topology)
        self._channel = channel
        self._connected.set()
        try:
            await channel.closed()
        finally:
            self._channel = None
            self._connected.clear()

    async def publish(
        self,
        channel: Channel,
        lane: Lane,
        ids: Sequence[UUID | bytes],
        *,
        alone: bool = False,
        chunk: str | None = None,
    ) -> bool:
        """Publish delivery ids (UUIDs, or their bytes) to their queue, split into messages.

        True if all were confirmed. A ``chunk`` has no more of them than one message may hold.
        """
        queue = self._topology.queue(channel, lane)
        size = 1 if alone else IDS_A_MESSAGE[lane]
        bodies = [encode_ids(part, alone=alone, chunk=chunk) for part in parts(ids, size)]
        # A run has thousands of bulk messages: a span each, and its trace could not be opened.
        confirm = self._counted if lane is Lane.BULK else self._confirmed
        return all(await together(confirm(queue, body) for body in bodies))

    async def publish_expansion(self, notification: UUID) -> bool:
        """Queue a notification's expansion; True if confirmed."""
        return await self._confirmed(self._topology.expansion, encode_ids([notification]))

    async def publish_event(self, event: InboxEvent) -> bool:
        """Tell every listener of new inbox items; nobody listening is fine."""
        return await self._confirmed("", encode_event(event), exchange=self._topology.events)

    async def depth(self, queue: str) -> int:
        """Messages waiting in ``queue``; raises `BrokerUnavailableError`."""
        channel = self._channel
        if channel is None:
            raise BrokerUnavailableError("RabbitMQ is not connected")
        with broker_errors():
            async with asyncio.timeout(PUBLISH_TIMEOUT):
                return (await look(channel, queue)).messages

    async def _confirmed(self, routing_key: str, body: bytes, exchange: str | None = None) -> bool:
        with self._span(exchange or routing_key, body) as span:
            confirmed = await self._counted(routing_key, body, exchange)
            if not confirmed:
                traces.failed(span, "unconfirmed")
        return confirmed

    async def _counted(self, routing_key: str, body: bytes, exchange: str | None = None) -> bool:
        started = perf_counter()
        confirmed = await self._publish(routing_key, body, exchange)
        self._count("confirmed" if confirmed else "failed", perf_counter() - started)
        return confirmed

    def _span(self, destination: str, body: bytes) -> AbstractContextManager[Span]:
        if not traces.are_on():
            return traces.OFF
        attributes: traces.Attributes = {
            "messaging.system": "rabbitmq",
            "messaging.operation.name": "publish",
            "messaging.operation.type": "send",
            "messaging.destination.name": destination,
            "messaging.message.body.size": len(body),
        }
        name = f"publish {self._topology.word(destination)}"
        return traces.span(name, kind=SpanKind.PRODUCER, attributes=attributes)

    async def _publish(self, routing_key: str, body: bytes, exchange: str | None) -> bool:
        channel = self._channel
        if channel is None:
            return False
        live = exchange is not None
        message = Message(
            body,
            headers={**traces.injected()},
            content_type="application/json",
            delivery_mode=DeliveryMode.NOT_PERSISTENT if live else DeliveryMode.PERSISTENT,
        )
        try:
            with broker_errors():
                await self._send(channel, routing_key, message, exchange)
        except BrokerUnavailableError as error:
            log.warning("publish_failed", error=str(error))
            return False
        return True

    async def _send(
        self, channel: AbstractChannel, routing_key: str, message: Message, exchange: str | None
    ) -> None:
        # aio-pika's own timeout does not cover everything a publish may wait for. The window's turn
        # counts as well, or a broker that hangs would be waited for once a window.
        async with asyncio.timeout(PUBLISH_TIMEOUT), self._window:
            underlay = await channel.get_underlay_channel()
            await underlay.basic_publish(
                message.body,
                exchange=exchange or "",
                routing_key=routing_key,
                properties=message.properties,
                mandatory=exchange is None,
            )
