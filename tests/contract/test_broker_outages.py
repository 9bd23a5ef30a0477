"""A RabbitMQ of the test's own that is killed or wiped: everything comes back by itself."""

import asyncio
import os
import signal
from collections import Counter
from contextlib import AsyncExitStack
from functools import partial
from time import monotonic
from uuid import UUID, uuid4

import pytest
from tests.support.broker import Ear, Reader, publishing, wait_for, waiting_in
from tests.support.waiting import eventually

from fogbell.broker import BrokerUnavailableError, InboxEvent, Publisher, Topology
from fogbell.broker import publisher as publisher_module
from fogbell.model.status import Channel, Lane
from fogbell_local.servers import RabbitServer

EMAIL, BULK = Channel.EMAIL, Lane.BULK
TOPOLOGY = Topology("outage.")
QUEUE = TOPOLOGY.queue(EMAIL, BULK)
BACK = 30.0
"""Seconds in which everybody is back: RabbitMQ's own start, and the longest pause."""


def _ids(number: int) -> list[UUID]:
    return [uuid4() for _ in range(number)]


class _Everybody:
    """A publisher, a consumer and a listener on one broker."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.counts = Counter[str]()
        self.reader = Reader(uri, TOPOLOGY, QUEUE, prefetch=2)
        self.ear = Ear(uri, TOPOLOGY)
        self.publisher: Publisher

    async def enter(self, stack: AsyncExitStack) -> None:
        """Be connected until ``stack`` ends."""
        self.publisher = await stack.enter_async_context(
            publishing(self.uri, TOPOLOGY, self.counts)
        )
        await stack.enter_async_context(self.reader.running())
        await stack.enter_async_context(self.ear.listening())

    async def back(self) -> None:
        """Wait until all three are connected again."""
        await eventually(lambda: self.publisher.connected, timeout=BACK)
        await eventually(self.reader.consumer.consuming.is_set, timeout=BACK)
        await eventually(self.ear.listener.listening.is_set, timeout=BACK)


async def test_everybody_comes_back_after_a_kill_and_no_confirmed_message_is_lost(
    own_rabbit: RabbitServer,
) -> None:
    all_of = _Everybody(own_rabbit.uri)
    async with AsyncExitStack() as stack:
        await all_of.enter(stack)
        ids = _ids(5)
        assert await all_of.publisher.publish(EMAIL, BULK, ids, alone=True)
        await eventually(lambda: all_of.reader.has(2))
        under_way = [
            asyncio.create_task(all_of.publisher.publish(EMAIL, Lane.TRANSACTIONAL, _ids(1)))
            for _ in range(100)
        ]
        await asyncio.to_thread(own_rabbit.kill)
        results = await asyncio.gather(*under_way)
        assert set(results) <= {True, False}
        await _fails_at_once(all_of.publisher)
        for message in all_of.reader.received:
            message.finish()
        await asyncio.to_thread(own_rabbit.restart)
        await all_of.back()
        assert all_of.ear.resumptions == 2
        # What was finished in vain comes again; nothing that was confirmed is missing.
        await eventually(lambda: all_of.reader.has(4))
        for place in range(5):
            await eventually(partial(all_of.reader.has, 3 + place))
            all_of.reader.received[2 + place].finish()
        assert set(all_of.reader.ids[2:]) == set(ids)
        assert await all_of.publisher.publish(EMAIL, Lane.TRANSACTIONAL, _ids(1))
        confirmed = all_of.counts["confirmed"] - 5
        arrived = await waiting_in(own_rabbit.uri, TOPOLOGY.queue(EMAIL, Lane.TRANSACTIONAL))
        assert arrived >= confirmed


async def _fails_at_once(publisher: Publisher) -> None:
    await eventually(lambda: not publisher.connected)
    started = monotonic()
    assert not await publisher.publish(EMAIL, BULK, _ids(1000))
    assert not await publisher.publish_event(InboxEvent(()))
    try:
        await publisher.depth(QUEUE)
    except BrokerUnavailableError:
        assert monotonic() - started < 0.5
    else:
        raise AssertionError("expected no depth from a broker that is down")


async def test_a_wiped_broker_is_declared_again_by_whoever_returns(
    own_rabbit: RabbitServer,
) -> None:
    all_of = _Everybody(own_rabbit.uri)
    async with AsyncExitStack() as stack:
        await all_of.enter(stack)
        lost = _ids(4)
        assert await all_of.publisher.publish(EMAIL, BULK, lost, alone=True)
        await eventually(lambda: all_of.reader.has(2))
        await asyncio.to_thread(own_rabbit.wipe)
        await all_of.back()
        for name in TOPOLOGY.queues():
            assert await waiting_in(own_rabbit.uri, name) == 0
        # The tags of before mean nothing now, even where the numbers are the same.
        ids, event = _ids(2), InboxEvent((("5f" * 16, uuid4()),))
        assert await all_of.publisher.publish(EMAIL, BULK, ids, alone=True)
        await eventually(lambda: all_of.reader.ids[2:] == ids)
        for message in all_of.reader.received[:2]:
            message.finish()
        assert await all_of.publisher.publish_event(event)
        await eventually(lambda: all_of.ear.events == [event])
    await wait_for(own_rabbit.uri, QUEUE, 2)


async def test_a_broker_that_hangs_fails_a_publish_in_time(
    own_rabbit: RabbitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "PUBLISH_TIMEOUT", 2.0)
    async with publishing(own_rabbit.uri, TOPOLOGY) as publisher:
        os.kill(own_rabbit.pid, signal.SIGSTOP)
        try:
            started = monotonic()
            publishes = [publisher.publish(EMAIL, BULK, _ids(1)) for _ in range(150)]
            results = await asyncio.gather(*publishes)
            took = monotonic() - started
        finally:
            os.kill(own_rabbit.pid, signal.SIGCONT)
        assert set(results) == {False}
        # Not once for each window of confirms that is waited for, one after another.
        assert took < 5
        # It works off what it was sent meanwhile first.
        monkeypatch.setattr(publisher_module, "PUBLISH_TIMEOUT", 10.0)
        assert await publisher.publish(EMAIL, BULK, _ids(1))
