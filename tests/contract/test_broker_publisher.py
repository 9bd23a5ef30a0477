"""Publishing to a real RabbitMQ: what counts as published, and what does not."""

import asyncio
from collections import Counter
from time import monotonic
from uuid import UUID, uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractConnection
from structlog.testing import CapturingLogger
from tests.support.broker import Ear, Reader, publishing, put, queues_of, raw_channel, waiting_in
from tests.support.waiting import eventually

from fogbell.broker import BrokerUnavailableError, Publisher, Topology, connection
from fogbell.model.status import Channel, Lane

EMAIL, BULK, TRANSACTIONAL = Channel.EMAIL, Lane.BULK, Lane.TRANSACTIONAL


def _ids(number: int) -> list[UUID]:
    return [uuid4() for _ in range(number)]


async def test_ids_arrive_in_their_queue_split_into_messages(
    rabbit_uri: str, topology: Topology
) -> None:
    counts, ids = Counter[str](), _ids(450)
    async with publishing(rabbit_uri, topology, counts) as publisher:
        assert await publisher.publish(EMAIL, BULK, ids)
        assert await publisher.publish(EMAIL, TRANSACTIONAL, ids[:40])
    assert counts == {"confirmed": 5}
    async with Reader(rabbit_uri, topology, topology.queue(EMAIL, BULK)).running() as bulk:
        await eventually(lambda: len(bulk.received) == 3)
        assert bulk.ids == ids
        assert [len(m.ids.ids) for m in bulk.received] == [200, 200, 50]
    assert await waiting_in(rabbit_uri, topology.queue(EMAIL, TRANSACTIONAL)) == 2


async def test_what_is_to_be_tried_alone_has_a_message_of_its_own(
    rabbit_uri: str, topology: Topology
) -> None:
    ids = _ids(3)
    async with publishing(rabbit_uri, topology) as publisher:
        assert await publisher.publish(EMAIL, BULK, ids, alone=True)
    async with Reader(rabbit_uri, topology, topology.queue(EMAIL, BULK)).running() as reader:
        await eventually(lambda: len(reader.received) == 3)
        assert [(m.ids.ids, m.ids.alone) for m in reader.received] == [((i,), True) for i in ids]


async def test_an_expansion_is_queued_by_its_notification(
    rabbit_uri: str, topology: Topology
) -> None:
    (notification,) = _ids(1)
    async with publishing(rabbit_uri, topology) as publisher:
        assert await publisher.publish_expansion(notification)
    async with Reader(rabbit_uri, topology, topology.expansion).running() as reader:
        await eventually(lambda: reader.ids == [notification])


async def test_no_ids_are_no_message(rabbit_uri: str, topology: Topology) -> None:
    counts = Counter[str]()
    async with publishing(rabbit_uri, topology, counts) as publisher:
        assert await publisher.publish(EMAIL, BULK, [])
    assert not counts


async def test_messages_survive_the_broker(rabbit_uri: str, topology: Topology) -> None:
    async with publishing(rabbit_uri, topology) as publisher:
        await publisher.publish(EMAIL, BULK, _ids(1))
    async with raw_channel(rabbit_uri) as channel:
        queue = await channel.get_queue(topology.queue(EMAIL, BULK), ensure=False)
        message = await queue.get()
        assert message is not None
        assert message.delivery_mode == 2
        assert message.content_type == "application/json"
        await message.ack()


async def test_a_message_that_no_queue_takes_counts_as_failed(
    rabbit_uri: str, topology: Topology
) -> None:
    counts = Counter[str]()
    async with publishing(rabbit_uri, topology, counts) as publisher:
        async with raw_channel(rabbit_uri) as channel:
            await channel.queue_delete(topology.queue(EMAIL, BULK))
        assert not await publisher.publish(EMAIL, BULK, _ids(1))
        assert publisher.connected
        assert await publisher.publish(EMAIL, TRANSACTIONAL, _ids(1))
    assert counts == {"failed": 1, "confirmed": 1}


async def test_a_full_queue_refuses_and_the_others_go_on(
    rabbit_uri: str, topology_prefix: str
) -> None:
    async with queues_of(rabbit_uri, Topology(topology_prefix, max_length=5)) as small:
        counts = Counter[str]()
        async with publishing(rabbit_uri, small, counts) as publisher:

            async def refused() -> bool:
                return not await publisher.publish(EMAIL, BULK, _ids(1))

            # A quorum queue may take a few more than its limit.
            await eventually(refused)
            assert counts["failed"] == 1
            assert 5 <= counts["confirmed"] <= 50
            assert await publisher.publish(EMAIL, TRANSACTIONAL, _ids(1))


async def test_many_publishes_at_once_are_all_confirmed(
    rabbit_uri: str, topology: Topology
) -> None:
    counts = Counter[str]()
    async with publishing(rabbit_uri, topology, counts) as publisher:
        results = await asyncio.gather(
            *(publisher.publish(EMAIL, TRANSACTIONAL, _ids(1)) for _ in range(300))
        )
    assert all(results)
    assert counts == {"confirmed": 300}
    assert await waiting_in(rabbit_uri, topology.queue(EMAIL, TRANSACTIONAL)) == 300


async def test_the_depth_of_a_queue_is_what_waits_in_it(
    rabbit_uri: str, topology: Topology
) -> None:
    queue = topology.queue(EMAIL, BULK)
    async with publishing(rabbit_uri, topology) as publisher:
        assert await publisher.depth(queue) == 0
        await publisher.publish(EMAIL, BULK, _ids(600))
        assert await eventually(lambda: publisher.depth(queue)) == 3


async def test_asking_for_a_queue_that_is_gone_brings_it_back(
    rabbit_uri: str, topology: Topology
) -> None:
    queue = topology.queue(EMAIL, BULK)
    async with publishing(rabbit_uri, topology) as publisher:
        async with raw_channel(rabbit_uri) as channel:
            await channel.queue_delete(queue)
        with pytest.raises(BrokerUnavailableError):
            await publisher.depth(queue)

        async def published() -> bool:
            return await publisher.publish(EMAIL, BULK, _ids(1))

        await eventually(published)


async def test_before_it_is_connected_a_publish_fails_at_once(topology_prefix: str) -> None:
    counts = Counter[str]()
    # Nothing listens on port 1.
    publisher = Publisher(
        "amqp://guest:guest@127.0.0.1:1/",
        Topology(topology_prefix),
        name="test",
        count=lambda word, _: counts.update([word]),
    )
    publisher.start()
    started = monotonic()
    assert not await publisher.publish(EMAIL, BULK, _ids(3))
    with pytest.raises(BrokerUnavailableError):
        await publisher.depth("any")
    assert monotonic() - started < 0.5
    assert counts == {"failed": 1}
    assert not publisher.connected
    await publisher.close()


async def test_what_is_under_way_when_it_closes_fails_without_an_error(
    rabbit_uri: str, topology: Topology
) -> None:
    for _ in range(3):
        async with publishing(rabbit_uri, topology) as publisher:
            under_way = [
                asyncio.create_task(publisher.publish(EMAIL, BULK, _ids(1))) for _ in range(200)
            ]
            await asyncio.sleep(0)
        results = await asyncio.gather(*under_way)
        assert set(results) <= {True, False}


async def test_a_queue_declared_otherwise_is_used_as_it_is(
    rabbit_uri: str, topology: Topology
) -> None:
    async with (
        publishing(rabbit_uri, topology) as first,
        publishing(rabbit_uri, Topology(topology.prefix, max_length=7)) as second,
    ):
        for publisher in (first, second):
            assert await publisher.publish(EMAIL, BULK, _ids(1))
    assert await waiting_in(rabbit_uri, topology.queue(EMAIL, BULK)) == 2


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (aio_pika.exceptions.ChannelPreconditionFailed("no"), "broker_session_failed"),
        (ValueError("a fault of ours"), "broker_session_broken"),
    ],
)
async def test_a_session_that_fails_at_once_is_tried_again_but_not_in_a_rush(
    rabbit_uri: str, monkeypatch: pytest.MonkeyPatch, error: Exception, event: str
) -> None:
    heard, sessions = CapturingLogger(), list[AbstractConnection]()

    async def session(opened: AbstractConnection) -> None:
        sessions.append(opened)
        raise error

    monkeypatch.setattr(connection, "log", heard)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.5):
            await connection.supervise(rabbit_uri, "test", session)
    # Pauses of 0.1, 0.2, 0.4, 0.8 s, each with jitter down to half of it.
    assert 2 <= len(sessions) <= 5
    assert {call.args for call in heard.calls} == {(event,)}
    assert all(opened.is_closed for opened in sessions[:-1])


async def test_nothing_is_told_of_a_connection_that_we_close(
    rabbit_uri: str, topology: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = CapturingLogger()
    monkeypatch.setattr(connection, "log", heard)
    reader = Reader(rabbit_uri, topology, topology.queue(EMAIL, BULK))
    ear = Ear(rabbit_uri, topology)
    async with publishing(rabbit_uri, topology), ear.listening(), reader.running():
        assert reader.consumer.consuming.is_set()
    assert heard.calls == []


async def test_a_connection_that_ends_by_itself_is_told_of(
    rabbit_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, sessions = CapturingLogger(), list[AbstractConnection]()

    async def session(opened: AbstractConnection) -> None:
        sessions.append(opened)
        if len(sessions) == 1:
            await opened.close()
        await asyncio.Event().wait()

    monkeypatch.setattr(connection, "log", heard)
    supervisor = asyncio.create_task(connection.supervise(rabbit_uri, "test", session))
    await eventually(lambda: len(sessions) == 2)
    supervisor.cancel()
    await asyncio.gather(supervisor, return_exceptions=True)
    assert [call.args for call in heard.calls] == [("broker_connection_ended",)]


async def test_undecodable_bytes_do_not_disturb_a_publisher(
    rabbit_uri: str, topology: Topology
) -> None:
    async with publishing(rabbit_uri, topology) as publisher:
        await put(rabbit_uri, topology.queue(EMAIL, BULK), b"\xff")
        assert await publisher.publish(EMAIL, BULK, _ids(1))
