"""A provider that is full or hangs is left alone; all else goes on as before, and nothing is lost.

The relay and the receivers are real servers on loopback that change their minds.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic
from typing import Any
from uuid import UUID

import pytest
from tests.support.measuring import Stopwatch
from tests.support.receivers import FULL, HANGS, WELL, Outside, outside
from tests.support.smtp import SILENCE, Answers
from tests.support.system import Ground, System, mail
from tests.support.waiting import eventually
from tests.support.webhooks import Answer

BACK = 20.0
"""Seconds within which all that waited is delivered. With these settings a breaker asks again
after one second, and a backoff is two at the most."""

PROMPT = 2.0
"""Seconds within which a lone transactional message is there, whatever another provider does. It
takes hundredths of one; a test machine is busy."""

MANY = 40
"""More than the slots of a lane."""


@pytest.fixture(scope="module")
async def there() -> AsyncIterator[Outside]:
    async with outside() as made:
        yield made


@pytest.fixture(scope="module")
async def system(module_ground: Ground, there: Outside) -> AsyncIterator[System]:
    async with System(module_ground, settings=there.settings()) as running:
        yield running


def _people(run: str) -> list[str]:
    return [f"{run}-{n}@example.org" for n in range(MANY)]


async def _mail_each(system: System, run: str) -> list[str]:
    """A transactional mail to each of many, posted one by one; the notifications' ids."""
    posts = (system.post(mail(address)) for address in _people(run))
    return [posted["id"] for posted in await asyncio.gather(*posts)]


def _hook(url: str, number: int) -> dict[str, Any]:
    return {
        "audience": {"addresses": [{"webhook": {"url": f"{url}&n={number}"}}]},
        "channels": ["webhook"],
        "content": {"webhook": {"type": "order.paid", "data": {"order": number}}},
    }


async def _call_each(system: System, url: str) -> list[str]:
    posts = (system.post(_hook(url, number)) for number in range(MANY))
    return [posted["id"] for posted in await asyncio.gather(*posts)]


async def _takes(one: Callable[[int], Awaitable[float]]) -> float:
    """The longest of ten but one, which is a stall's of the machine: what is in the way of some is
    in the way of more than one.
    """
    return sorted([await one(n) for n in range(10)])[-2]


async def _mail_takes(system: System, there: Outside, run: str) -> float:
    """What a lone mail takes from its post to the relay."""
    return await _takes(lambda n: _one_mail(system, there, f"{run}-lone-{n}"))


async def _one_mail(system: System, there: Outside, run: str) -> float:
    began = monotonic()
    await system.post(mail(f"{run}@example.org"))
    await eventually(lambda: there.mails(run), BACK, 0.005)
    return monotonic() - began


async def _call_takes(system: System, there: Outside) -> float:
    """What a lone webhook takes to the receiver that is well."""
    return await _takes(lambda n: _one_call(system, there, n))


async def _one_call(system: System, there: Outside, number: int) -> float:
    before, began = len(there.well.requests), monotonic()
    await system.post(_hook(there.well.url, number))
    await eventually(lambda: len(there.well.requests) > before, BACK, 0.005)
    return monotonic() - began


async def _breaker_is(system: System, provider: str, state: float) -> bool:
    name = "fogbell_provider_breaker_open"
    return await system.sample(system.worker(0), name, provider=provider) == state


async def _all_delivered(system: System, ids: list[str], within: float) -> None:
    for shown in await system.settled(*ids, within=within):
        assert shown["totals"]["delivered"] == 1, shown["totals"]


async def _are_delivered(system: System, ids: list[str]) -> bool:
    wanted = {"notification_id": {"$in": [UUID(i) for i in ids]}, "status": "delivered"}
    return await system.db.deliveries.count_documents(wanted) == len(ids)


FULL_DISKS: dict[str, Answers] = {
    "452": {"MAIL": "452 4.3.1 Insufficient system storage"},
    "552": {".": "552 5.3.1 Mail system full"},
}


@pytest.mark.parametrize("code", FULL_DISKS)
async def test_a_relay_whose_disk_is_full_is_left_alone_and_gets_all_once_there_is_room(
    system: System, there: Outside, stopwatch: Stopwatch, code: str
) -> None:
    run = f"full{code}"
    there.relay_says(FULL_DISKS[code])
    ids = await _mail_each(system, run)
    await eventually(lambda: _breaker_is(system, "relay", 1.0), BACK)
    assert await _call_takes(system, there) < PROMPT
    there.relay.mails.clear()  # those that it has not taken
    there.relay_says({})
    stopwatch.restart()
    everybody = lambda: set(there.mails(run)) == set(_people(run))  # noqa: E731
    await stopwatch.until(f"a relay that was full ({code}) has all that waited", everybody, BACK)
    assert set(there.mails(run).values()) == {1}
    await _all_delivered(system, ids, BACK)
    assert await _breaker_is(system, "relay", 0.0)


async def test_a_relay_that_hangs_is_left_alone_and_no_webhook_waits_for_it(
    system: System, there: Outside, stopwatch: Stopwatch
) -> None:
    stopwatch.note("a lone webhook takes", await _call_takes(system, there), PROMPT)
    there.relay_says({"MAIL": SILENCE})
    ids = await _mail_each(system, "hang")
    during = await _call_takes(system, there)
    stopwatch.note("a lone webhook takes while the relay hangs", during, PROMPT)
    await eventually(lambda: _breaker_is(system, "relay", 1.0), BACK)
    there.relay_says({})
    stopwatch.restart()
    everybody = lambda: set(there.mails("hang")) >= set(_people("hang"))  # noqa: E731
    await stopwatch.until("a relay that hung has all that waited", everybody, BACK)
    assert set(there.mails("hang").values()) == {1}
    await _all_delivered(system, ids, BACK)


@pytest.mark.parametrize(("fault", "answer"), [("is full (507)", FULL), ("hangs", HANGS)])
async def test_a_receiver_that_fails_holds_up_neither_mails_nor_other_receivers(
    system: System, there: Outside, stopwatch: Stopwatch, fault: str, answer: Answer
) -> None:
    """A receiver is one of many: it opens no breaker, and takes its share of the slots alone."""
    run = "full" if answer is FULL else "hung"
    usual = await _mail_takes(system, there, f"before-{run}")
    stopwatch.note("a lone mail takes", usual, PROMPT)
    there.the_ill_one_says(answer)
    before = len(there.ill.requests)
    ids = await _call_each(system, there.ill.url)
    await eventually(lambda: len(there.ill.requests) > before + 3, BACK)
    mails = await _mail_takes(system, there, f"while-{run}")
    stopwatch.note(f"a lone mail takes while a receiver {fault}", mails, PROMPT)
    calls = await _call_takes(system, there)
    stopwatch.note(f"a webhook to another takes while one {fault}", calls, PROMPT)
    assert await _breaker_is(system, "webhook", 0.0)
    there.the_ill_one_says(WELL)
    stopwatch.restart()
    everything = lambda: _are_delivered(system, ids)  # noqa: E731
    await stopwatch.until(f"a receiver that {fault} has all that waited", everything, BACK)
