"""Which provider is asked, when the next one is, and what the delivery is judged by."""

import asyncio
import dataclasses
from typing import Any

import pytest
import structlog
from tests.support.providers import work_for
from tests.support.routing import routed
from tests.support.walking import (
    ACCEPTED,
    DOWN,
    FULL,
    NOBODY,
    NOT_HERE,
    REFUSES_US,
    UNSURE,
    Grants,
    Scripted,
    given,
    scripted,
    sender,
    text,
    tried,
)

from fogbell.model.address import Addresses, PushAddress
from fogbell.model.content import PushContent
from fogbell.model.outcome import Attempt, Deferred, Outcome, Reply
from fogbell.model.status import Channel
from fogbell_worker.providers import Message, ProviderKind, ProviderSettings
from fogbell_worker.providers.breaker import BreakerRules
from fogbell_worker.providers.building import Providers
from fogbell_worker.providers.configured import Provided
from fogbell_worker.providers.interface import BusyError
from fogbell_worker.providers.routing import walk_limit
from fogbell_worker.sending import Work


def history(attempt: Attempt) -> list[tuple[str, str | None]]:
    tries = [*attempt.earlier, attempt]
    return [(each.provider, each.reply.reason) for each in tries]


@pytest.mark.parametrize("refusal", [DOWN, REFUSES_US, NOT_HERE, FULL])
async def test_what_was_not_handed_over_goes_to_the_next_one_at_once(refusal: Reply) -> None:
    first, second = scripted(refusal), scripted(ACCEPTED)
    attempt = await tried(sender(first, second))
    assert attempt.reply == ACCEPTED
    assert history(attempt) == [("a", refusal.reason), ("b", None)]
    assert attempt.earlier[0].finished_at <= attempt.started_at


@pytest.mark.parametrize("answer", [ACCEPTED, NOBODY, UNSURE])
async def test_a_yes_a_refusal_of_the_recipient_and_a_doubt_end_the_claim(answer: Reply) -> None:
    first, second = scripted(answer), scripted(ACCEPTED)
    attempt = await tried(sender(first, second))
    assert (attempt.reply, attempt.earlier, second.got) == (answer, (), [])


async def test_after_a_doubt_the_next_attempt_begins_at_another_provider() -> None:
    first, second, third = scripted(ACCEPTED), scripted(DOWN), scripted(DOWN)
    way = sender(first, second, third)
    assert history(await tried(way, text(doubtful="a"))) == [
        ("b", "unreachable"),
        ("c", "unreachable"),
        ("a", None),
    ]
    assert (await tried(way, text(doubtful="c"))).provider == "a"
    assert (await tried(way, text(doubtful="gone"))).provider == "a"


async def test_a_refusal_that_is_one_providers_own_is_final_once_every_other_has_refused() -> None:
    dead = await tried(sender(scripted(NOT_HERE), scripted(NOT_HERE)))
    assert (dead.reply.outcome, dead.reply.reason) == (Outcome.PERMANENT, "unroutable")
    hopeful = await tried(sender(scripted(DOWN), scripted(NOT_HERE)))
    assert (hopeful.reply.outcome, hopeful.reply.reason) == (Outcome.TRANSIENT, "unroutable")


async def test_the_message_is_the_same_for_each_and_carries_its_own_deadline() -> None:
    first, second = scripted(DOWN), scripted(ACCEPTED)
    work = text()
    now = asyncio.get_running_loop().time()
    await tried(sender(first, second, timeout=4.0), work)
    for got in (first.got[0], second.got[0]):
        assert (got.content.text, got.address) == ("hi", "+15005550006")
        assert got.idempotency_key == work.delivery.idempotency_key
        assert now + 3.9 < got.deadline < now + 5.0


async def test_no_next_one_is_asked_without_half_of_its_time() -> None:
    async def slow(_: Message[Any, Any]) -> Reply:
        await asyncio.sleep(0.3)
        return DOWN

    second = scripted(ACCEPTED)
    # 0.5 s for the walk, of which 0.2 are left, and 0.25 would be needed
    attempt = await tried(sender(scripted(slow), second, timeout=0.5, lease=0.6))
    assert (attempt.reply, second.got) == (DOWN, [])


@pytest.mark.parametrize(
    ("timeouts", "lease", "limit"),
    [([30], 60, 30), ([30, 30], 60, 30), ([15, 15], 60, 30), ([5, 5], 60, 10), ([40, 5], 60, 40)],
)
def test_a_walk_takes_half_a_lease_at_most_unless_one_provider_needs_more(
    timeouts: list[float], lease: float, limit: float
) -> None:
    assert walk_limit(timeouts, lease) == limit


async def test_what_hangs_or_raises_is_ambiguous_and_goes_to_nobody_else() -> None:
    async def hang(_: Message[Any, Any]) -> Reply:
        await asyncio.Event().wait()
        raise AssertionError

    async def fail(_: Message[Any, Any]) -> Reply:
        raise RuntimeError("hi +15005550006")

    second = scripted(ACCEPTED)
    hung = await tried(sender(scripted(hang), second, timeout=0.05))
    with structlog.testing.capture_logs() as logs:
        failed = await tried(sender(scripted(fail), second))
    assert (hung.reply.outcome, hung.reply.reason) == (Outcome.AMBIGUOUS, "timeout")
    assert (failed.reply.outcome, failed.reply.reason) == (Outcome.AMBIGUOUS, "internal_error")
    assert logs[0]["provider"] == "a"
    assert "500555" not in str(logs) + str(failed)
    assert second.got == []


async def test_an_open_breaker_is_passed_by_and_a_probe_brings_its_provider_back() -> None:
    changes: list[tuple[str, bool]] = []
    first, second = scripted(DOWN, DOWN, ACCEPTED), scripted(ACCEPTED)
    way = sender(
        first,
        second,
        rules=BreakerRules(failures=2, pause=0.1),
        on_breaker=lambda _channel, name, is_open: changes.append((name, is_open)),
    )
    with structlog.testing.capture_logs() as logs:
        attempts = [await tried(way) for _ in range(4)]
        await asyncio.sleep(0.12)
        back = await tried(way)
    assert [len(attempt.earlier) for attempt in attempts] == [1, 1, 0, 0]
    assert (back.provider, len(first.got)) == ("a", 3)
    assert changes == [("a", False), ("b", False), ("a", True), ("a", False)]
    assert [line["after"] for line in logs] == ["open", "closed"]


async def test_messages_at_fault_never_open_a_breaker() -> None:
    way = sender(scripted(FULL), rules=BreakerRules(failures=1, least=1))
    assert [(await tried(way)).reply for _ in range(5)] == [FULL] * 5


async def test_with_every_breaker_open_a_delivery_is_put_back_untried_or_waits() -> None:
    first = scripted(DOWN, ACCEPTED)
    impatient = sender(first, rules=BreakerRules(failures=1, pause=0.2), wait=0.0)
    await tried(impatient)
    sent = await impatient.send(text())
    assert isinstance(sent, Deferred)
    assert sent.reason == "provider_unavailable"
    assert 0 < sent.retry_after <= 0.2
    second = scripted(DOWN, ACCEPTED)
    patient = sender(second, rules=BreakerRules(failures=1, pause=0.1), wait=1.0)
    await tried(patient)
    assert (await tried(patient)).reply == ACCEPTED


async def busy(_: Message[Any, Any]) -> Reply:
    raise BusyError


async def test_a_provider_that_is_busy_is_passed_by_without_an_attempt() -> None:
    first, second = scripted(busy), scripted(ACCEPTED)
    attempt = await tried(sender(first, second))
    assert (attempt.provider, attempt.earlier) == ("b", ())


async def test_what_waited_for_a_busy_provider_is_put_back_at_once_and_counts_for_nothing() -> None:
    first = scripted(busy)
    way = sender(first, wait=1.0, rules=BreakerRules(failures=1, least=1))
    assert [await way.send(text()) for _ in range(3)] == [Deferred("provider_busy", 0.0)] * 3
    assert len(first.got) == 3


async def test_a_provider_at_its_rate_is_passed_by_and_the_last_one_puts_back() -> None:
    rates = {"provider:sms:a": Grants(1), "provider:sms:b": Grants(1)}
    providers = [scripted(ACCEPTED), scripted(ACCEPTED)]
    named = [
        given(n, p, rate_per_second=5, rate_burst=2) for n, p in zip("ab", providers, strict=True)
    ]
    asked: list[tuple[str, int, float]] = []

    def make(name: str, limit: int, window: float) -> Grants:
        asked.append((name, limit, window))
        return rates[name]

    way = routed(Channel.SMS, *named, make_rate=make)
    assert [(await tried(way)).provider for _ in range(2)] == ["a", "b"]
    assert await way.send(text()) == Deferred("rate_limited", 7.0)
    assert asked == [("provider:sms:a", 2, 0.4), ("provider:sms:b", 2, 0.4)]
    assert [len(p.got) for p in providers] == [1, 1]


async def test_a_refusal_beside_a_provider_that_could_not_be_asked_is_not_final() -> None:
    way = sender(scripted(DOWN), scripted(NOT_HERE), rules=BreakerRules(failures=1, pause=60))
    await tried(way)
    attempt = await tried(way)
    assert (attempt.provider, attempt.earlier) == ("b", ())
    assert attempt.reply.outcome is Outcome.TRANSIENT


def push(provider: str) -> Work:
    device = PushAddress(provider=provider, token="t")
    return work_for(Channel.PUSH, PushContent(title="hi"), Addresses(push=[device]), push=device)


async def test_a_device_is_reached_by_the_provider_that_its_address_names_and_no_other() -> None:
    app, other = scripted(DOWN), scripted(ACCEPTED)
    named = [
        dataclasses.replace(given("shop-app", app, Channel.PUSH), kind_name="fcm"),
        dataclasses.replace(given("other-app", other, Channel.PUSH), kind_name="fcm"),
    ]
    way = routed(Channel.PUSH, *named)
    for address, provider in (
        ("shop-app", "shop-app"),
        ("fcm", "shop-app"),
        ("other-app", "other-app"),
        ("pigeon", "none"),
    ):
        attempt = await tried(way, push(address))
        assert (attempt.provider, attempt.earlier) == (provider, ())
    assert (len(app.got), len(other.got)) == (2, 1)


async def test_few_wait_for_a_provider_that_others_of_the_lane_do_not_need() -> None:
    down, up = scripted(DOWN), scripted(ACCEPTED)
    named = [given("down", down, Channel.PUSH), given("up", up, Channel.PUSH)]
    way = routed(
        Channel.PUSH, *named, rules=BreakerRules(failures=1, pause=60), wait=1.0, waiters=2
    )
    await tried(way, push("down"))
    sends = [asyncio.create_task(way.send(push("down"))) for _ in range(5)]
    done, waiting = await asyncio.wait(sends, timeout=0.3)
    assert (len(done), len(waiting)) == (3, 2)
    assert (await tried(way, push("up"))).reply == ACCEPTED
    assert {type(await task) for task in sends} == {Deferred}


async def test_a_cancelled_send_leaves_its_breaker_as_it_was() -> None:
    hanging = asyncio.Event()

    async def hang(_: Message[Any, Any]) -> Reply:
        hanging.set()
        await asyncio.Event().wait()
        raise AssertionError

    way = sender(scripted(DOWN, hang, ACCEPTED), rules=BreakerRules(failures=1, pause=0.0))
    await tried(way)
    probe = asyncio.create_task(way.send(text()))
    await hanging.wait()
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    assert (await tried(way)).reply == ACCEPTED


async def test_a_simulated_message_asks_nobody() -> None:
    first = scripted(ACCEPTED)
    attempt = await tried(sender(first), text(simulate=True))
    assert (attempt.provider, attempt.reply.code, first.got) == ("a", "simulated", [])


async def test_lanes_share_what_is_known_of_a_provider_and_no_connections() -> None:
    made: list[Scripted] = []

    def create(_: ProviderSettings) -> Scripted:
        made.append(scripted(DOWN))
        return made[-1]

    providers = Providers(BreakerRules(failures=1, pause=60), lambda *_: Grants(), lambda *_: None)
    kind = ProviderKind(Channel.SMS, ProviderSettings, create)
    one = Provided("a", "scripted", kind, ProviderSettings())
    lanes = [providers.sender(Channel.SMS, [one], lease=60, wait=0, waiters=1) for _ in range(2)]
    await tried(lanes[0])
    assert isinstance(await lanes[1].send(text()), Deferred)
    assert [len(provider.got) for provider in made] == [1, 0]
    for lane in lanes:
        await lane.close()
    assert all(provider.closed for provider in made)
