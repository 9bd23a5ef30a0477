"""Who gets what a provider's rate allows, and who waits for it."""

import asyncio
import dataclasses

import pytest
from tests.support.routing import routed
from tests.support.waiting import eventually
from tests.support.walking import ACCEPTED, DOWN, Grants, given, scripted, sender, text

from fogbell.model.outcome import Attempt, Deferred
from fogbell.model.status import Channel, Lane
from fogbell_worker.providers import gate
from fogbell_worker.providers.breaker import BreakerRules


async def test_what_the_rate_allows_goes_to_the_transactional_lane_while_that_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gate, "YIELD_PAUSE", 0.01)
    rate = Grants(wait=0.02)
    provider = scripted(ACCEPTED)
    one = given("a", provider, rate_per_second=5)
    way = routed(Channel.SMS, one, make_rate=lambda *_: rate, wait=2.0)
    bulk = [asyncio.create_task(way.send(text(lane=Lane.BULK))) for _ in range(10)]
    await eventually(lambda: way._waiting == 10)
    reset = asyncio.create_task(way.send(text(lane=Lane.TRANSACTIONAL)))
    await eventually(lambda: way._waiting == 11)
    rate.left = 1
    assert isinstance(await reset, Attempt)
    assert [message.lane for message in provider.got] == [Lane.TRANSACTIONAL]
    rate.left = 10
    assert all(isinstance(sent, Attempt) for sent in await asyncio.gather(*bulk))


async def test_what_is_tried_alone_waits_for_no_provider_that_is_down() -> None:
    way = sender(scripted(DOWN), rules=BreakerRules(failures=1, pause=60), wait=60.0)
    await way.send(text())
    suspect = text()
    suspect = dataclasses.replace(
        suspect, delivery=dataclasses.replace(suspect.delivery, lost_leases=1)
    )
    async with asyncio.timeout(1):
        sent = await way.send(suspect)
    assert isinstance(sent, Deferred)
