"""Push messages to apps, against an FCM and a token server that answer as Google documents."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from starlette.responses import JSONResponse
from tests.support import fcm
from tests.support.fcm import Fcm
from tests.support.providers import served, work_for
from tests.support.routing import Attempting, push_sender
from tests.support.webhooks import Receiver, hang

from fogbell.model.address import Addresses, PushAddress
from fogbell.model.content import Part, PushContent, SmsContent
from fogbell.model.outcome import Outcome, Reply
from fogbell.model.status import Channel, Lane
from fogbell_worker.channels.push import PushSettings
from fogbell_worker.channels.push import tokens as tokens_module
from fogbell_worker.sending import Work

CONTENT = PushContent(title="Order {{ data.order }}", body="on its way", data={"id": "A-1"})


@contextlib.asynccontextmanager
async def open_sender(base_url: str, **settings: object) -> AsyncIterator[Attempting]:
    values = {
        "fcm_base_url": base_url,
        "fcm_credentials": fcm.service_account(base_url),
        "send_timeout": 5,
        **settings,
    }
    sender = push_sender(PushSettings.model_validate(values))
    try:
        yield sender
    finally:
        await sender.close()


@pytest.fixture
async def google() -> AsyncIterator[Fcm]:
    server = Fcm()
    async with served(server.app) as server.url:
        yield server


@pytest.fixture
async def sender(google: Fcm) -> AsyncIterator[Attempting]:
    async with open_sender(google.url) as opened:
        yield opened


def push(
    token: str = fcm.GOOD_TOKEN,
    part: Part = CONTENT,
    *,
    lane: Lane = Lane.TRANSACTIONAL,
    simulate: bool = False,
    expires_at: datetime | None = None,
) -> Work:
    device = PushAddress(provider="fcm", token=token)
    return work_for(
        Channel.PUSH,
        part,
        Addresses(push=[device]),
        push=device,
        lane=lane,
        simulate=simulate,
        expires_at=expires_at,
        data={"order": "A-1"},
    )


async def one(sender: Attempting, token: str = fcm.GOOD_TOKEN) -> Reply:
    return (await sender.send(push(token))).reply


async def test_a_message_reaches_one_device(google: Fcm, sender: Attempting) -> None:
    work = push()
    attempt = await sender.send(work)
    assert attempt.provider == "fcm"
    assert attempt.reply == Reply(Outcome.ACCEPTED, code="200", detail="0:15%1")
    (message,) = google.messages
    tag = str(work.delivery.id)
    assert message["token"] == fcm.GOOD_TOKEN
    assert message["notification"] == {"title": "Order A-1", "body": "on its way"}
    assert message["data"] == {"id": "A-1"}
    assert message["android"] == {
        "priority": "HIGH",
        "ttl": "2419200s",
        "notification": {"tag": tag},
    }
    assert message["apns"]["headers"]["apns-collapse-id"] == tag
    assert message["webpush"]["notification"] == {"tag": tag}


async def test_bulk_saves_batteries_and_what_expires_is_not_kept_longer(
    google: Fcm, sender: Attempting
) -> None:
    now = datetime.now(UTC)
    part = PushContent(title="t")
    await sender.send(push(part=part, lane=Lane.BULK, expires_at=now + timedelta(minutes=5)))
    (message,) = google.messages
    assert message["notification"] == {"title": "t"}
    assert "data" not in message
    assert message["android"]["priority"] == "NORMAL"
    assert 290 <= int(message["android"]["ttl"].rstrip("s")) <= 300
    assert message["apns"]["headers"]["apns-priority"] == "5"
    assert abs(int(message["apns"]["headers"]["apns-expiration"]) - now.timestamp() - 300) < 10
    assert message["webpush"]["headers"]["Urgency"] == "normal"


async def test_a_token_that_is_gone_is_suppressed(sender: Attempting) -> None:
    reply = await one(sender, fcm.GONE_TOKEN)
    assert (reply.outcome, reply.code, reply.reason) == (Outcome.PERMANENT, "UNREGISTERED", "gone")
    assert reply.suppress


@pytest.mark.parametrize(
    ("token", "reason"),
    [(fcm.BAD_TOKEN, "bad_address"), (fcm.OTHER_SENDERS_TOKEN, "sender_mismatch")],
)
async def test_a_token_that_cannot_be_sent_to_is_final(
    sender: Attempting, token: str, reason: str
) -> None:
    reply = await one(sender, token)
    assert (reply.outcome, reply.reason) == (Outcome.PERMANENT, reason)
    assert not reply.suppress


async def test_content_that_fcm_refuses_is_final(sender: Attempting) -> None:
    for part in (
        PushContent(title="t", data={"from": "x"}),
        PushContent(title="t", body="x" * 5000),
    ):
        reply = (await sender.send(push(part=part))).reply
        assert (reply.outcome, reply.reason) == (Outcome.PERMANENT, "rejected")


async def test_a_quota_and_an_outage_wait_as_long_as_fcm_asks(
    google: Fcm, sender: Attempting
) -> None:
    pause = {"Retry-After": "7"}
    google.answers = [
        fcm.error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", headers=pause),
        fcm.error(503, "UNAVAILABLE", "UNAVAILABLE", headers=pause),
    ]
    replies = [await one(sender) for _ in range(2)]
    assert [r.reason for r in replies] == ["throttled", "unavailable"]
    assert {(r.outcome, r.retry_after) for r in replies} == {(Outcome.TRANSIENT, 7.0)}


async def test_one_access_token_serves_many_messages_sent_at_once(
    google: Fcm, sender: Attempting
) -> None:
    replies = await asyncio.gather(*(one(sender) for _ in range(20)))
    assert {reply.outcome for reply in replies} == {Outcome.ACCEPTED}
    assert (google.tokens, len(google.messages)) == (1, 20)


async def test_a_token_is_replaced_ahead_of_its_end_while_it_still_serves(
    google: Fcm, sender: Attempting
) -> None:
    google.lifetime = int(tokens_module.REFRESH_AHEAD) - 10
    google.token_answers = [
        JSONResponse({"access_token": "access-2", "expires_in": google.lifetime})
    ]
    tokens = sender.first._tokens
    assert await tokens.get() == "access-2"
    google.lifetime = 3599
    assert await tokens.get() == "access-2", "what is good serves until its successor is there"
    await tokens._fetch
    assert (await one(sender)).outcome is Outcome.ACCEPTED
    assert google.tokens == 2


async def test_a_token_that_is_not_taken_is_replaced_for_the_next_attempt(
    google: Fcm, sender: Attempting
) -> None:
    google.answers = [fcm.error(401, "UNAUTHENTICATED")]
    reply = await one(sender)
    assert (reply.outcome, reply.reason) == (Outcome.TRANSIENT, "provider_auth")
    assert (await one(sender)).outcome is Outcome.ACCEPTED
    assert google.tokens == 2


async def test_a_certificate_that_apple_refuses_keeps_the_access_token(
    google: Fcm, sender: Attempting
) -> None:
    google.answers = [fcm.error(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR")]
    assert (await one(sender)).reason == "provider_auth"
    assert (await one(sender)).outcome is Outcome.ACCEPTED
    assert google.tokens == 1


async def test_an_account_that_is_refused_is_asked_about_once_in_a_while_and_kills_nothing(
    google: Fcm, sender: Attempting
) -> None:
    refused = {"error": "invalid_grant", "error_description": f"Invalid JWT for {fcm.EMAIL}"}
    google.token_answers = [JSONResponse(refused, 400)]
    replies = await asyncio.gather(*(one(sender) for _ in range(5)))
    replies += [await one(sender)]
    assert set(replies) == {
        Reply(Outcome.TRANSIENT, reason="provider_auth", detail="no access token: invalid_grant")
    }
    assert (google.tokens, google.requests) == (1, 0)


async def test_a_token_server_that_is_down_does_not_hold_a_thread_for_retries(
    google: Fcm, sender: Attempting
) -> None:
    google.token_answers = [JSONResponse({}, 503)]
    async with asyncio.timeout(2):
        reply = await one(sender)
    assert reply.detail == "no access token: HTTP 503"
    assert google.tokens == 1


async def test_a_token_server_that_hangs_ends_the_attempt_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tokens_module, "_FETCH_SECONDS", 0.5)
    async with Receiver(answers=[hang]).listen() as receiver:
        url = f"http://127.0.0.1:{receiver.port}"
        async with open_sender(url, send_timeout=0.2) as sender, asyncio.timeout(2):
            reply = await one(sender)
    assert (reply.outcome, reply.reason) == (Outcome.TRANSIENT, "provider_auth")


async def test_no_answer_after_the_message_was_posted_is_ambiguous(google: Fcm) -> None:
    async with Receiver(answers=[hang]).listen() as receiver:
        base = f"http://127.0.0.1:{receiver.port}"
        settings = {"fcm_credentials": fcm.service_account(google.url), "send_timeout": 1}
        async with open_sender(base, **settings) as sender:
            reply = await one(sender)
    assert (reply.outcome, reply.reason) == (Outcome.AMBIGUOUS, "no_reply")


async def test_another_project_may_be_named(google: Fcm) -> None:
    async with open_sender(google.url, fcm_project="other-1") as sender:
        reply = await one(sender)
    assert (reply.outcome, reply.reason) == (Outcome.TRANSIENT, "provider_auth")


async def test_nothing_of_a_message_is_told_to_logs_or_records(sender: Attempting) -> None:
    with structlog.testing.capture_logs() as logs:
        replies = [await one(sender, t) for t in (fcm.GOOD_TOKEN, fcm.BAD_TOKEN, fcm.GONE_TOKEN)]
    said = repr((replies, logs))
    for private in ("registration-token", "A-1", "on its way", "access-1", fcm.EMAIL):
        assert private not in said


async def test_a_simulated_message_is_rendered_and_never_sent(
    google: Fcm, sender: Attempting
) -> None:
    attempt = await sender.send(push(simulate=True))
    assert attempt.reply == Reply(Outcome.ACCEPTED, code="simulated")
    broken = PushContent(title="{% if %}")
    attempt = await sender.send(push(part=broken, simulate=True))
    assert attempt.reply.reason == "template_error"
    assert (google.tokens, google.requests) == (0, 0)


@pytest.mark.parametrize("part", [PushContent(title="{% if %}"), SmsContent(text="no push")])
async def test_content_that_does_not_render_is_final(sender: Attempting, part: Part) -> None:
    reply = (await sender.send(push(part=part))).reply
    assert (reply.outcome, reply.reason) == (Outcome.PERMANENT, "template_error")


async def test_a_device_that_no_provider_serves_is_final(sender: Attempting) -> None:
    device = PushAddress(provider="pigeon", token="t")
    attempt = await sender.send(dataclasses.replace(push(), push=device))
    assert (attempt.provider, attempt.reply.reason) == ("none", "no_provider")
    attempt = await sender.send(dataclasses.replace(push(), push=None))
    assert attempt.reply == Reply(Outcome.PERMANENT, reason="no_address")
    tokenless = PushAddress(provider="fcm", url="https://example.org/")
    attempt = await sender.send(dataclasses.replace(push(), push=tokenless))
    assert attempt.reply.reason == "bad_address"
