"""The SMS channel against a gateway that answers as Twilio documents it."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from starlette.responses import PlainTextResponse, Response
from tests.support import twilio
from tests.support.providers import served, work_for
from tests.support.routing import Attempting, provided, routed
from tests.support.twilio import ACCOUNT, TOKEN, VALID, Gateway
from tests.support.webhooks import Answer, Receiver, hang, raw

from fogbell.model.address import Addresses
from fogbell.model.content import Part, PushContent, SmsContent
from fogbell.model.outcome import Attempt, Outcome, Reply
from fogbell.model.status import Cause, Channel
from fogbell.policy import RetryPolicy, Standing, judge
from fogbell_worker.channels.sms import SmsSettings
from fogbell_worker.sending import Work

SENDER = "+15005550006"


@contextlib.asynccontextmanager
async def open_sender(base_url: str, **settings: object) -> AsyncIterator[Attempting]:
    values = {
        "base_url": base_url,
        "account_sid": ACCOUNT,
        "auth_token": TOKEN,
        "send_timeout": 5,
        **({} if "messaging_service_sid" in settings else {"sender": SENDER}),
        **settings,
    }
    gateway = SmsSettings.model_validate(values)
    sender = Attempting(routed(Channel.SMS, provided("twilio", gateway, gateway.name)))
    try:
        yield sender
    finally:
        await sender.close()


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
async def url(gateway: Gateway) -> AsyncIterator[str]:
    async with served(gateway.app) as base_url:
        yield base_url


@pytest.fixture
async def sender(url: str) -> AsyncIterator[Attempting]:
    async with open_sender(url) as opened:
        yield opened


def sms(
    to: str = VALID,
    text: str = "Your code is {{ data.code }}",
    *,
    simulate: bool = False,
    expires_at: datetime | None = None,
    part: Part | None = None,
) -> Work:
    return work_for(
        Channel.SMS,
        part or SmsContent(text=text),
        Addresses(sms=to),
        simulate=simulate,
        expires_at=expires_at,
        data={"code": "1234 & ü€"},
    )


async def test_a_message_is_posted_as_the_gateway_reads_it(
    gateway: Gateway, sender: Attempting
) -> None:
    attempt = await sender.send(sms())
    assert gateway.forms == [{"To": VALID, "From": SENDER, "Body": "Your code is 1234 & ü€"}]
    assert gateway.users == [ACCOUNT]
    assert attempt.provider == "twilio"
    assert attempt.started_at <= attempt.finished_at
    sid = "SM" + "1".rjust(32, "0")
    assert attempt.reply == Reply(Outcome.ACCEPTED, code="201", detail=f"{sid}, segments: 1")


async def test_an_api_key_and_a_messaging_service_take_the_places_of_token_and_sender(
    gateway: Gateway, url: str
) -> None:
    gateway.password = "k" * 32
    async with open_sender(
        url,
        api_key_sid="SK1",
        auth_token="k" * 32,
        messaging_service_sid="MG1",
        name="sms-a",
    ) as sender:
        attempt = await sender.send(sms())
    assert (attempt.provider, attempt.reply.outcome) == ("sms-a", Outcome.ACCEPTED)
    assert attempt.reply.detail == "SM" + "1".rjust(32, "0")
    assert gateway.users == ["SK1"]
    assert gateway.forms[0]["MessagingServiceSid"] == "MG1"
    assert "From" not in gateway.forms[0]


async def test_what_expires_soon_is_not_kept_longer_by_the_gateway(
    gateway: Gateway, sender: Attempting
) -> None:
    now = datetime.now(UTC)
    for left in (timedelta(minutes=5), timedelta(milliseconds=1), timedelta(days=2)):
        await sender.send(sms(expires_at=now + left))
    soon, almost, late = gateway.forms
    assert 290 <= int(soon["ValidityPeriod"]) <= 300
    assert almost["ValidityPeriod"] == "1"
    assert "ValidityPeriod" not in late


@pytest.mark.parametrize(
    ("to", "code", "reason"),
    [
        (twilio.INVALID, "21211", "bad_address"),
        (twilio.NOT_MOBILE, "21614", "not_mobile"),
        (twilio.UNROUTABLE, "21612", "unroutable"),
        (twilio.NOT_PERMITTED, "21408", "unroutable"),
    ],
)
async def test_a_number_that_cannot_be_reached_is_final_and_not_suppressed(
    sender: Attempting, to: str, code: str, reason: str
) -> None:
    reply = (await sender.send(sms(to))).reply
    assert (reply.outcome, reply.code, reply.reason) == (Outcome.PERMANENT, code, reason)
    assert not reply.suppress


async def test_a_number_that_said_stop_is_suppressed(sender: Attempting) -> None:
    reply = (await sender.send(sms(twilio.UNSUBSCRIBED))).reply
    assert (reply.outcome, reply.reason) == (Outcome.PERMANENT, "unsubscribed")
    assert reply.suppress


async def test_too_many_requests_wait_as_long_as_the_gateway_asks(
    gateway: Gateway, sender: Attempting
) -> None:
    gateway.answers = [twilio.error(429, 20429, "Too Many Requests", {"Retry-After": "7"})]
    reply = (await sender.send(sms())).reply
    assert (reply.outcome, reply.reason, reply.retry_after) == (
        Outcome.TRANSIENT,
        "throttled",
        7.0,
    )
    assert (await sender.send(sms())).reply.outcome is Outcome.ACCEPTED


async def test_a_senders_full_queue_is_tried_again(url: str) -> None:
    async with open_sender(url, sender=twilio.QUEUE_FULL) as sender:
        reply = (await sender.send(sms())).reply
    assert (reply.outcome, reply.code, reply.reason) == (Outcome.TRANSIENT, "21611", "throttled")


@pytest.mark.parametrize("wrong", [{"auth_token": "no"}, {"account_sid": "AC1"}])
async def test_a_gateway_that_refuses_us_costs_nobody_their_message(
    url: str, wrong: dict[str, str]
) -> None:
    async with open_sender(url, **wrong) as sender:
        reply = (await sender.send(sms())).reply
    assert reply.outcome is Outcome.TRANSIENT
    assert reply.reason in {"gateway_auth", "gateway_address"}


@pytest.mark.parametrize("answer", [PlainTextResponse("", 502), twilio.error(500, 20500)])
async def test_an_answer_that_leaves_open_what_was_done_is_never_retried(
    gateway: Gateway, sender: Attempting, answer: Response
) -> None:
    gateway.answers = [answer]
    assert_given_up(await sender.send(sms()))


@pytest.mark.parametrize("answer", [raw(b"", close=True), raw(b"HTTP/1.1 2", close=True), hang])
async def test_a_message_whose_answer_is_lost_is_never_retried(answer: Answer) -> None:
    async with (
        Receiver(answers=[answer]).listen() as receiver,
        open_sender(f"http://127.0.0.1:{receiver.port}", send_timeout=0.5) as sender,
    ):
        assert_given_up(await sender.send(sms()))


def assert_given_up(attempt: Attempt) -> None:
    assert attempt.reply.outcome is Outcome.AMBIGUOUS
    verdict = judge(attempt.reply, Standing(Channel.SMS, 1, 0.0), RetryPolicy(), 0.5)
    assert (verdict.cause, verdict.reason) == (Cause.GIVE_UP, "ambiguous")


async def test_a_gateway_that_is_not_there_is_tried_again() -> None:
    async with Receiver().listen() as receiver:
        url = f"http://127.0.0.1:{receiver.port}"
    async with open_sender(url) as sender:
        reply = (await sender.send(sms())).reply
    assert (reply.outcome, reply.reason) == (Outcome.TRANSIENT, "unreachable")


async def test_nothing_of_a_message_is_told_to_logs_or_records(sender: Attempting) -> None:
    with structlog.testing.capture_logs() as logs:
        replies = [(await sender.send(sms(to))).reply for to in (VALID, twilio.INVALID)]
    said = repr((replies, logs))
    for private in (VALID[1:], twilio.INVALID[1:], "1234", TOKEN):
        assert private not in said


async def test_a_simulated_message_is_rendered_and_never_posted(
    gateway: Gateway, sender: Attempting
) -> None:
    attempt = await sender.send(sms(simulate=True))
    assert attempt.reply == Reply(Outcome.ACCEPTED, code="simulated")
    attempt = await sender.send(sms(text="{% if %}", simulate=True))
    assert attempt.reply.reason == "template_error"
    assert gateway.requests == 0


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (SmsContent(text="{% if %}"), "template_error"),
        (SmsContent(text="{{ data.nothing }} "), "empty_message"),
        (PushContent(title="not an SMS"), "template_error"),
    ],
)
async def test_content_that_makes_no_message_is_final(
    gateway: Gateway, sender: Attempting, part: Part, reason: str
) -> None:
    reply = (await sender.send(sms(part=part))).reply
    assert (reply.outcome, reply.reason) == (Outcome.PERMANENT, reason)
    assert gateway.requests == 0


async def test_a_recipient_without_a_number_is_final(sender: Attempting) -> None:
    work = work_for(Channel.SMS, SmsContent(text="hi"), Addresses())
    assert (await sender.send(work)).reply == Reply(Outcome.PERMANENT, reason="no_address")
