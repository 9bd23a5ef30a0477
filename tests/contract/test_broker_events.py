"""Live events over a real RabbitMQ: everybody who listens hears them."""

from uuid import uuid4

import aio_pika
from tests.support.broker import Ear, publishing, raw_channel
from tests.support.waiting import eventually

from fogbell.broker import InboxEvent, Topology


def _event() -> InboxEvent:
    return InboxEvent((("5f" * 16, uuid4()), ("6e" * 16, uuid4())))


async def test_every_listener_hears_every_event(rabbit_uri: str, topology: Topology) -> None:
    events = [_event() for _ in range(3)]
    first, second = Ear(rabbit_uri, topology), Ear(rabbit_uri, topology)
    async with first.listening(), second.listening(), publishing(rabbit_uri, topology) as publisher:
        for event in events:
            assert await publisher.publish_event(event)
        await eventually(lambda: first.events == second.events == events)


async def test_an_event_that_nobody_hears_is_no_failure(
    rabbit_uri: str, topology: Topology
) -> None:
    async with publishing(rabbit_uri, topology) as publisher:
        assert await publisher.publish_event(_event())


async def test_nothing_stays_behind_once_a_listener_has_left(
    rabbit_uri: str, topology: Topology
) -> None:
    ear = Ear(rabbit_uri, topology)
    async with ear.listening(), publishing(rabbit_uri, topology) as publisher:
        event = _event()
        await publisher.publish_event(event)
        await eventually(lambda: ear.events == [event])
    late = Ear(rabbit_uri, topology)
    async with late.listening(), publishing(rabbit_uri, topology) as publisher:
        newer = _event()
        await publisher.publish_event(newer)
        await eventually(lambda: late.events == [newer])


async def test_an_event_nobody_can_decode_is_passed_over(
    rabbit_uri: str, topology: Topology
) -> None:
    ear, event = Ear(rabbit_uri, topology), _event()
    async with ear.listening(), publishing(rabbit_uri, topology) as publisher:
        async with raw_channel(rabbit_uri) as channel:
            exchange = await channel.get_exchange(topology.events, ensure=False)
            for body in (b"\xff", b"[]", b'{"v":1,"inbox":[1]}'):
                await exchange.publish(aio_pika.Message(body), routing_key="")
        await publisher.publish_event(event)
        await eventually(lambda: ear.events == [event])
