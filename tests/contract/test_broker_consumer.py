"""Consuming from a real RabbitMQ: prefetch, acknowledgements, losses and what is undecodable."""

import asyncio
from functools import partial
from uuid import UUID, uuid4

import pytest
from tests.support.broker import Reader, publishing, put, raw_channel, wait_for, waiting_in
from tests.support.waiting import eventually

from fogbell.broker import Topology
from fogbell.broker.messages import encode_ids
from fogbell.model.status import Channel, Lane

EMAIL, BULK = Channel.EMAIL, Lane.BULK


@pytest.fixture
def queue(topology: Topology) -> str:
    return topology.queue(EMAIL, BULK)


async def _publish(uri: str, topology: Topology, number: int) -> list[UUID]:
    """``number`` messages of one id each."""
    ids = [uuid4() for _ in range(number)]
    async with publishing(uri, topology) as publisher:
        assert await publisher.publish(EMAIL, BULK, ids, alone=True)
    return ids


async def test_no_more_than_the_prefetch_is_unfinished(
    rabbit_uri: str, topology: Topology, queue: str
) -> None:
    ids = await _publish(rabbit_uri, topology, 10)
    async with Reader(rabbit_uri, topology, queue, prefetch=3).holding(3) as reader:
        assert await waiting_in(rabbit_uri, queue) == 7
        reader.received[0].finish()
        await eventually(lambda: len(reader.received) == 4)
        assert reader.ids == ids[:4]
        assert await waiting_in(rabbit_uri, queue) == 6


async def test_what_finishes_out_of_order_makes_room_at_once(
    rabbit_uri: str, topology: Topology, queue: str
) -> None:
    """One slow message must not hold the others up."""
    ids = await _publish(rabbit_uri, topology, 12)
    async with Reader(rabbit_uri, topology, queue, prefetch=4).holding(4) as reader:
        for number in range(1, 12):
            await eventually(partial(reader.has, number + 1))
            reader.received[number].finish()
        await eventually(lambda: reader.ids == ids)
        reader.received[0].finish()
        await eventually(lambda: not reader.received[0]._session.tracker._finished)
    assert await waiting_in(rabbit_uri, queue) == 0


@pytest.mark.parametrize("seed", range(6))
async def test_any_order_of_finishing_acknowledges_exactly_what_is_finished(
    rabbit_uri: str, topology: Topology, queue: str, seed: int
) -> None:
    """An acknowledgement the broker does not expect would close the channel: it stays open."""
    ids = await _publish(rabbit_uri, topology, 20)
    order = sorted(range(20), key=lambda n: hash((seed, n * 7919)) % 97)
    unfinished = set(order[-3:])
    async with Reader(rabbit_uri, topology, queue, prefetch=20).holding(20) as reader:
        session = reader.consumer._session
        for place, number in enumerate(order[:-3]):
            reader.received[number].finish()
            if place % 4 == seed % 4:
                assert session is not None
                await session.flush()
        assert reader.consumer._session is session
    async with Reader(rabbit_uri, topology, queue, prefetch=20).holding(3) as again:
        assert set(again.ids) == {ids[n] for n in unfinished}


async def test_unfinished_messages_return_when_the_consumer_closes(
    rabbit_uri: str, topology: Topology, queue: str
) -> None:
    ids = await _publish(rabbit_uri, topology, 5)
    async with Reader(rabbit_uri, topology, queue, prefetch=5).holding(5) as reader:
        reader.received[1].finish()
        reader.received[3].finish()
    async with Reader(rabbit_uri, topology, queue, prefetch=5).holding(3) as again:
        assert set(again.ids) == {ids[0], ids[2], ids[4]}


async def test_what_is_finished_after_the_loss_of_its_channel_is_harmless(
    rabbit_uri: str, topology: Topology, queue: str
) -> None:
    """Its tag means nothing on the new channel, where the same number is another message."""
    await _publish(rabbit_uri, topology, 4)
    async with Reader(rabbit_uri, topology, queue, prefetch=2).holding(2) as reader:
        session = reader.consumer._session
        assert session is not None
        await session.underlay.close()
        await eventually(lambda: len(reader.received) == 4)
        for old in reader.received[:2]:
            old.finish()
        reader.received[2].finish()
        await eventually(lambda: len(reader.received) == 5)
    await wait_for(rabbit_uri, queue, 3)


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"{}", b'{"v":2,"ids":[]}', b"[" * 100_000])
async def test_what_nobody_can_decode_goes_to_the_dead_letters_and_is_counted(
    rabbit_uri: str, topology: Topology, queue: str, body: bytes
) -> None:
    async with Reader(rabbit_uri, topology, queue).running() as reader:
        await put(rabbit_uri, queue, body)
        await wait_for(rabbit_uri, topology.dead, 1)
        assert (reader.undecodable, reader.received) == (1, [])
    assert await waiting_in(rabbit_uri, queue) == 0
    async with raw_channel(rabbit_uri) as channel:
        letters = await channel.get_queue(topology.dead, ensure=False)
        letter = await letters.get(no_ack=True)
        assert letter is not None
        assert letter.body == body


async def test_undecodable_messages_do_not_disturb_the_others(
    rabbit_uri: str, topology: Topology, queue: str
) -> None:
    async with Reader(rabbit_uri, topology, queue, prefetch=4).running() as reader:
        good = [uuid4() for _ in range(20)]
        for number, one in enumerate(good):
            await put(rabbit_uri, queue, encode_ids([one]))
            if number % 3 == 0:
                await put(rabbit_uri, queue, b"nonsense")
            await eventually(partial(reader.has, number + 1))
            reader.received[number].finish()
        assert reader.ids == good
        await eventually(lambda: reader.undecodable == 7)
        session = reader.consumer._session
        assert session is not None
    assert await waiting_in(rabbit_uri, queue) == 0
    assert await waiting_in(rabbit_uri, topology.dead) == 7


async def test_a_consumer_comes_back_when_its_queue_is_deleted(
    rabbit_uri: str, topology: Topology, queue: str
) -> None:
    async with Reader(rabbit_uri, topology, queue).running() as reader:
        async with raw_channel(rabbit_uri) as channel:
            await channel.queue_delete(queue)
        await eventually(lambda: not reader.consumer.consuming.is_set())
        await eventually(reader.consumer.consuming.is_set)
        ids = await _publish(rabbit_uri, topology, 1)
        await eventually(lambda: reader.ids == ids)


async def test_a_paused_consumer_takes_nothing_more_and_still_acknowledges(
    rabbit_uri: str, topology: Topology, queue: str
) -> None:
    ids = await _publish(rabbit_uri, topology, 6)
    async with Reader(rabbit_uri, topology, queue, prefetch=3).holding(3) as reader:
        await reader.consumer.pause()
        await reader.consumer.pause()
        reader.received[2].finish()
        reader.received[0].finish()
        await eventually(lambda: not reader.received[0]._session.tracker._finished)
        await _publish(rabbit_uri, topology, 1)
        assert await waiting_in(rabbit_uri, queue) == 4
        assert reader.ids == ids[:3]
    # The one that was not finished has returned.
    await wait_for(rabbit_uri, queue, 5)


async def test_a_paused_consumer_stays_paused_over_a_lost_channel(
    rabbit_uri: str, topology: Topology, queue: str
) -> None:
    async with Reader(rabbit_uri, topology, queue).running() as reader:
        await reader.consumer.pause()
        session = reader.consumer._session
        assert session is not None
        await session.underlay.close()
        await eventually(lambda: reader.consumer._session not in (None, session))
        await _publish(rabbit_uri, topology, 1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await reader.consumer.consuming.wait()
        assert reader.received == []
    assert await waiting_in(rabbit_uri, queue) == 1


async def test_a_consumer_paused_before_it_connects_takes_nothing(
    rabbit_uri: str, topology: Topology, queue: str
) -> None:
    await _publish(rabbit_uri, topology, 1)
    reader = Reader(rabbit_uri, topology, queue)
    reader.consumer.start()
    await reader.consumer.pause()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await reader.consumer.consuming.wait()
    await reader.consumer.close()
    assert reader.received == []
    assert await waiting_in(rabbit_uri, queue) == 1


async def test_two_consumers_share_a_queue(rabbit_uri: str, topology: Topology, queue: str) -> None:
    ids = await _publish(rabbit_uri, topology, 6)
    first = Reader(rabbit_uri, topology, queue, prefetch=3)
    second = Reader(rabbit_uri, topology, queue, prefetch=3)
    async with first.running(), second.running():
        await eventually(lambda: len(first.received) + len(second.received) == 6)
        assert set(first.ids) | set(second.ids) == set(ids)


async def test_a_consumer_that_never_started_closes() -> None:
    reader = Reader("amqp://127.0.0.1:1/", Topology("t."), "t.email.bulk")
    await reader.consumer.pause()
    await reader.consumer.close()
