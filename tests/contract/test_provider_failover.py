"""Several providers against real relays, a gateway and MongoDB: who delivers, and what is kept."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from tests.support import twilio
from tests.support.deliveries import age, attempt, claim_all, document
from tests.support.lanes import RunningLane, lane, posted
from tests.support.providers import served, work_for
from tests.support.routing import Attempting, provided, routed
from tests.support.smtp import CLOSE, Relay, relay
from tests.support.twilio import ACCOUNT, TOKEN, VALID, Gateway

from fogbell.limiting import Limiter
from fogbell.model.address import Addresses
from fogbell.model.content import SmsContent
from fogbell.model.outcome import Deferred, Outcome
from fogbell.model.status import Cause, Channel
from fogbell.policy import Verdict
from fogbell.store import records
from fogbell.store.database import Database
from fogbell.store.records import Record
from fogbell_worker.channels.email import EmailSettings
from fogbell_worker.channels.sms import SmsSettings
from fogbell_worker.providers.breaker import BreakerRules
from fogbell_worker.providers.configured import Provided
from fogbell_worker.providers.gate import Rate
from fogbell_worker.sending import Work


def smtp(name: str, port: int) -> Provided:
    settings = EmailSettings.model_validate(
        {
            "url": f"smtp://localhost:{port}",
            "from_address": "bell@example.net",
            "helo_name": "client.example.net",
            "send_timeout": 5,
            "connect_timeout": 4,
        }
    )
    return provided("smtp", settings, name)


@contextlib.asynccontextmanager
async def two_relays(
    db: Database, first: Relay, second: Relay, **more: Any
) -> AsyncIterator[RunningLane]:
    """A lane that sends mails over relay-a, then relay-b."""
    way = routed(Channel.EMAIL, smtp("relay-a", first.port), smtp("relay-b", second.port), **more)
    async with lane(db, cast("Any", way)) as at_work:
        yield at_work
    await way.close()


async def again(db: Database, at_work: RunningLane, delivery: UUID) -> None:
    """The delivery's time has come, and it is tried again."""
    await age(db, [delivery], not_before=timedelta(seconds=1), sweep_at=timedelta(seconds=1))
    await at_work.work(delivery)


def tries(stored: dict[str, Any]) -> list[tuple[int, str, str]]:
    return [(a["number"], a["provider"], a["outcome"]) for a in stored["attempts"]]


async def test_a_relay_that_is_down_costs_no_retry_where_another_is_up(db: Database) -> None:
    ids = await posted(db, 20)
    async with relay() as down:
        pass
    async with relay() as up, two_relays(db, down, up, rules=BreakerRules(failures=3)) as at_work:
        await at_work.work(*ids)
    stored = [await document(db, id_) for id_ in ids]
    assert {(d["status"], d["attempt_count"]) for d in stored} == {("delivered", 1)}
    assert len(up.mails) == 20
    stored.sort(key=lambda d: len(d["attempts"]))
    assert tries(stored[-1]) == [(1, "relay-a", "transient"), (2, "relay-b", "accepted")]
    assert stored[-1]["attempts"][0]["detail"]
    # the breaker soon spared the rest the detour
    assert tries(stored[0]) == [(1, "relay-b", "accepted")]


async def test_after_a_lost_answer_the_next_attempt_uses_the_next_relay(db: Database) -> None:
    (one,) = await posted(db)
    async with (
        relay({".": CLOSE}) as first,
        relay() as second,
        two_relays(db, first, second) as at_work,
    ):
        await at_work.work(one)
        unsure = await document(db, one)
        assert (unsure["status"], unsure["doubtful"]) == ("failed", "relay-a")
        assert second.mails == [], "not under the same claim"
        await again(db, at_work, one)
    stored = await document(db, one)
    assert tries(stored) == [(1, "relay-a", "ambiguous"), (2, "relay-b", "accepted")]
    assert (stored["status"], stored["attempt_count"]) == ("delivered", 2)
    assert "doubtful" not in stored
    assert len(first.mails) == len(second.mails) == 1


async def test_all_relays_refusing_is_one_attempt_of_the_budget(db: Database) -> None:
    (one,) = await posted(db)
    busy = {"MAIL": "451 4.3.0 later"}
    async with (
        relay(busy) as first,
        relay(busy) as second,
        two_relays(db, first, second) as at_work,
    ):
        await at_work.work(one)
        failed = await document(db, one)
        assert (failed["status"], failed["attempt_count"], failed["tries"]) == ("failed", 1, 2)
        await again(db, at_work, one)
    stored = await document(db, one)
    assert stored["attempt_count"] == 2
    assert [number for number, _, _ in tries(stored)] == [1, 2, 3, 4]


async def test_a_mailbox_that_does_not_exist_is_asked_about_once(db: Database) -> None:
    (one,) = await posted(db)
    async with (
        relay({"RCPT": "550 5.1.1 no such user"}) as first,
        relay() as second,
        two_relays(db, first, second) as at_work,
    ):
        await at_work.work(one)
    stored = await document(db, one)
    assert (stored["status"], stored["reason"]) == ("dead", "no_such_mailbox")
    assert second.sessions == 0


async def test_what_nobody_could_be_asked_about_waits_uncounted_and_is_sent_then(
    db: Database,
) -> None:
    tried, waiting = await posted(db, 2)
    async with relay({"CONNECT": ["421 no|close", "220 relay"]}) as only:
        rules = BreakerRules(failures=1, pause=3.0)
        way = routed(Channel.EMAIL, smtp("relay-a", only.port), rules=rules)
        async with lane(db, cast("Any", way)) as at_work:
            await at_work.work(tried)
            await at_work.work(waiting)
            put_back = await document(db, waiting)
            await asyncio.sleep(3.0)
            await again(db, at_work, waiting)
        await way.close()
    assert (put_back["status"], put_back["reason"]) == ("pending", "provider_unavailable")
    assert (put_back["attempt_count"], put_back.get("attempts")) == (0, None)
    assert put_back["sweep_at"] == put_back["not_before"]
    assert put_back["not_before"] > db.clock.now() - timedelta(seconds=1)
    stored = await document(db, waiting)
    assert (stored["status"], stored["attempt_count"]) == ("delivered", 1)
    assert "reason" not in stored


async def test_putting_back_twice_is_no_lost_claim_and_leaves_a_newer_one_alone(
    db: Database,
) -> None:
    (one,) = await posted(db)
    held = (await claim_all(db, [one]))[one]
    back = Record(held, Verdict(Cause.RELEASE, "rate_limited", 5.0))
    for _ in range(2):
        assert (await records.record(db, [back])).lost == frozenset()
    await age(db, [one], not_before=timedelta(seconds=1))
    await claim_all(db, [one], "newer")
    assert (await records.record(db, [back])).lost == {one}
    assert (await document(db, one))["status"] == "sending"


async def test_histories_of_their_own_and_the_usual_are_written_in_one_go(db: Database) -> None:
    ids = await posted(db, 4)
    held = await claim_all(db, ids)
    detour = replace(attempt(), earlier=(attempt(Outcome.TRANSIENT, provider="relay-0"),))
    accepted = Verdict(Cause.ACCEPTED)
    written = [
        Record(held[i], accepted, a) for i, a in zip(ids, [detour, attempt()] * 2, strict=True)
    ]
    assert (await records.record(db, written)).lost == frozenset()
    counts = [len((await document(db, i))["attempts"]) for i in ids]
    assert counts == [2, 1, 2, 1]


# SMS


def twilio_at(name: str, url: str, **more: Any) -> Provided:
    values = {
        "base_url": url,
        "account_sid": ACCOUNT,
        "auth_token": TOKEN,
        "sender": "+15005550006",
        "send_timeout": 5,
    }
    return provided("twilio", SmsSettings.model_validate(values | more), name)


def sms(to: str = VALID) -> Work:
    return work_for(Channel.SMS, SmsContent(text="hi"), Addresses(sms=to))


@contextlib.asynccontextmanager
async def two_gateways(first: Gateway, second: Gateway) -> AsyncIterator[Attempting]:
    async with served(first.app) as a, served(second.app) as b:
        way = Attempting(routed(Channel.SMS, twilio_at("gateway-a", a), twilio_at("gateway-b", b)))
        yield way
        await way.close()


async def test_a_gateway_that_refuses_us_is_passed_by() -> None:
    first, second = Gateway(password="another"), Gateway()
    async with two_gateways(first, second) as way:
        sent = await way.send(sms())
    assert (sent.provider, sent.reply.outcome) == ("gateway-b", Outcome.ACCEPTED)
    assert [each.reply.reason for each in sent.earlier] == ["gateway_auth"]
    assert len(second.forms) == 1


async def test_a_number_that_one_gateway_cannot_reach_is_tried_at_the_next() -> None:
    first, second = Gateway([twilio.error(400, 21612)]), Gateway()
    async with two_gateways(first, second) as way:
        sent = await way.send(sms())
    assert (sent.provider, sent.reply.outcome) == ("gateway-b", Outcome.ACCEPTED)


async def test_a_number_that_is_none_or_said_stop_is_final_at_the_first_gateway() -> None:
    first, second = Gateway(), Gateway()
    async with two_gateways(first, second) as way:
        replies = [(await way.send(sms(to))).reply for to in (twilio.INVALID, twilio.UNSUBSCRIBED)]
    assert [reply.reason for reply in replies] == ["bad_address", "unsubscribed"]
    assert second.requests == 0


async def test_a_text_that_may_have_been_taken_goes_to_no_other_gateway() -> None:
    first, second = Gateway([twilio.error(500, 20500)]), Gateway()
    async with two_gateways(first, second) as way:
        sent = await way.send(sms())
    assert (sent.provider, sent.reply.outcome) == ("gateway-a", Outcome.AMBIGUOUS)
    assert second.requests == 0


async def test_a_rate_holds_over_workers_and_what_is_above_it_goes_elsewhere(db: Database) -> None:
    limited, free = Gateway(), Gateway()

    def rate(name: str, limit: int, window_seconds: float) -> Rate:
        return Limiter(db, name, limit, window_seconds)

    async with served(limited.app) as a, served(free.app) as b:
        given = (
            twilio_at("gateway-a", a, rate_per_second=1, rate_burst=10),
            twilio_at("gateway-b", b),
        )
        workers = [routed(Channel.SMS, *given, make_rate=rate) for _ in range(2)]
        began = time.monotonic()
        sent = await asyncio.gather(*(worker.send(sms()) for worker in workers * 20))
        took = time.monotonic() - began
        for worker in workers:
            await worker.close()
    assert took < 10, "10 in any 10 seconds: the burst alone counts"
    assert Counter(s.provider for s in sent if not isinstance(s, Deferred)).total() == 40
    assert 1 <= len(limited.forms) <= 10
    assert len(limited.forms) + len(free.forms) == 40
