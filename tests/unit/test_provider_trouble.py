"""What a provider, or a rate, that does not keep to its interface costs: one delivery, no other."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
import structlog
from tests.support.routing import routed
from tests.support.walking import (
    ACCEPTED,
    DOWN,
    NOT_HERE,
    Scripted,
    given,
    scripted,
    sender,
    text,
    tried,
)

from fogbell.model.outcome import Deferred, Outcome, Reply
from fogbell.model.status import Channel
from fogbell_worker.providers import Message
from fogbell_worker.providers.breaker import BreakerRules


async def test_an_answer_that_is_no_reply_is_ambiguous_and_counts_as_a_failure() -> None:
    def mute(_: Message[Any, Any]) -> Any:
        async def nothing() -> None:
            return None

        return nothing()

    way = sender(scripted(DOWN, mute, ACCEPTED), rules=BreakerRules(failures=1, pause=0.0))
    await tried(way)
    with structlog.testing.capture_logs() as logs:
        probe = await tried(way)
    assert (probe.reply.outcome, probe.reply.reason) == (Outcome.AMBIGUOUS, "internal_error")
    assert logs[0]["event"] == "provider_internal_error"
    assert (await tried(way)).reply == ACCEPTED, "its breaker is not left half-open"


@dataclass
class Checked(Scripted):
    """Says beforehand what it would refuse."""

    refusal: Reply | None = None
    error: Exception | None = None

    def check(self, message: Message[Any, Any]) -> Reply | None:  # noqa: ARG002 - the interface's
        if self.error:
            raise self.error
        return self.refusal


async def test_a_simulated_message_goes_past_whoever_would_leave_it_to_the_next() -> None:
    first, second = Checked([ACCEPTED], refusal=NOT_HERE), scripted(ACCEPTED)
    attempt = await tried(sender(first, second), text(simulate=True))
    assert [(a.provider, a.reply.code) for a in (*attempt.earlier, attempt)] == [
        ("a", None),
        ("b", "simulated"),
    ]
    assert first.got == second.got == []


async def test_a_check_that_raises_ends_a_simulated_message_and_nothing_else() -> None:
    way = sender(Checked([ACCEPTED], error=RuntimeError("hi +15005550006")))
    with structlog.testing.capture_logs() as logs:
        attempt = await tried(way, text(simulate=True))
    assert (attempt.reply.outcome, attempt.reply.reason) == (Outcome.PERMANENT, "internal_error")
    assert "500555" not in str(logs) + str(attempt)


class Rates:
    """A rate whose answer is slow, or none."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    async def try_acquire(self, n: int = 1) -> float:  # noqa: ARG002 - the interface's
        if self.error:
            raise self.error
        await asyncio.sleep(30)
        return 0.0


@pytest.mark.parametrize("rate", [Rates(), Rates(RuntimeError("no role"))])
async def test_a_rate_that_cannot_be_told_in_time_puts_back_within_the_walks_time(
    rate: Rates,
) -> None:
    provider = scripted(ACCEPTED)
    one = given("a", provider, send_timeout=0.4, rate_per_second=5)
    way = routed(Channel.SMS, one, make_rate=lambda *_: rate, wait=0.1)
    async with asyncio.timeout(way.send_timeout):
        sent = await way.send(text())
    assert isinstance(sent, Deferred)
    assert (sent.reason, provider.got) == ("rate_limited", [])


async def test_a_provider_that_fails_or_hangs_at_the_end_keeps_no_other_from_it() -> None:
    @dataclass
    class Broken(Scripted):
        hangs: bool = False

        async def close(self) -> None:
            if self.hangs:
                await asyncio.Event().wait()
            raise RuntimeError

    last = scripted(ACCEPTED)
    with structlog.testing.capture_logs() as logs:
        async with asyncio.timeout(5):
            await sender(Broken([ACCEPTED]), Broken([ACCEPTED], hangs=True), last).close()
    assert last.closed
    assert [line["provider"] for line in logs] == ["a", "b"]
