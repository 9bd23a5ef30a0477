"""The webhook channel against receivers that answer, misbehave and vanish."""

import asyncio
import base64
import contextlib
import dataclasses
import json
import uuid
from collections.abc import AsyncIterator

import pytest
from standardwebhooks.webhooks import Webhook
from tests.support.routing import Attempting, provided, routed
from tests.support.waiting import eventually
from tests.support.webhooks import CREATED_AT, Receiver, hang, raw, reply, webhook_work

from fogbell.model.address import Addresses
from fogbell.model.content import Part, SmsContent, WebhookContent
from fogbell.model.outcome import Fault, Outcome, Reply
from fogbell.model.status import Channel
from fogbell_worker.channels.webhook import WebhookSettings

OWN = "whsec_" + base64.b64encode(b"o" * 32).decode()
OTHER = "whsec_" + base64.b64encode(b"p" * 32).decode()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver().listen() as listening:
        yield listening


@contextlib.asynccontextmanager
async def open_sender(**settings: object) -> AsyncIterator[Attempting]:
    values = {"allow_networks": ["127.0.0.0/8"], "allow_http": True, "send_timeout": 5, **settings}
    given = provided("webhook", WebhookSettings.model_validate(values))
    sender = Attempting(routed(Channel.WEBHOOK, given))
    try:
        yield sender
    finally:
        await sender.close()


@pytest.fixture
async def sender() -> AsyncIterator[Attempting]:
    async with open_sender() as opened:
        yield opened


async def one(sender: Attempting, url: str) -> Reply:
    return (await sender.send(webhook_work(url))).reply


async def test_a_post_is_what_the_reference_verifies(
    receiver: Receiver, sender: Attempting
) -> None:
    work = webhook_work(receiver.url, secrets=(OWN, OTHER), data={"order": "Zoë's"})
    attempt = await sender.send(work)
    assert (attempt.provider, attempt.reply) == ("webhook", Reply(Outcome.ACCEPTED, code="204"))
    assert attempt.started_at <= attempt.finished_at
    (request,) = receiver.requests
    assert request.line == "POST /hooks/7?shop=1 HTTP/1.1"
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"] == "Fogbell/0.1"
    assert request.headers["webhook-id"] == str(work.delivery.id)
    for secret in (OWN, OTHER):
        assert Webhook(secret).verify(request.body, request.headers) == {
            "type": "order.paid",
            "timestamp": "2026-03-01T12:00:00.250Z",
            "data": {"order": "Zoë's"},
        }


async def test_a_retry_has_the_same_id_and_body_and_a_replay_another_id(
    receiver: Receiver, sender: Attempting
) -> None:
    receiver.answers = [reply(500), reply(204)]
    work = webhook_work(receiver.url)
    replayed = dataclasses.replace(work, delivery=dataclasses.replace(work.delivery, replays=1))
    for each in (work, work, replayed):
        await sender.send(each)
    first, retry, replay = receiver.requests
    assert first.body == retry.body == replay.body
    assert first.headers["webhook-id"] == retry.headers["webhook-id"]
    assert replay.headers["webhook-id"] == f"{work.delivery.id}-1"
    assert json.loads(first.body)["timestamp"].startswith(CREATED_AT.strftime("%Y-%m-%dT%H:%M"))


async def test_default_secrets_sign_only_for_addresses_without_their_own(
    receiver: Receiver,
) -> None:
    async with open_sender(signing_secrets=[OTHER]) as sender:
        await sender.send(webhook_work(receiver.url))
        await sender.send(webhook_work(receiver.url, secrets=(OWN,)))
    for secret, request in zip((OTHER, OWN), receiver.requests, strict=True):
        Webhook(secret).verify(request.body, request.headers)
        assert request.headers["webhook-signature"].count("v1,") == 1


async def test_without_any_secret_a_post_is_unsigned(
    receiver: Receiver, sender: Attempting
) -> None:
    assert (await one(sender, receiver.url)).outcome is Outcome.ACCEPTED
    assert "webhook-signature" not in receiver.requests[0].headers


async def test_a_secret_that_cannot_sign_stops_the_post(
    receiver: Receiver, sender: Attempting
) -> None:
    attempt = await sender.send(webhook_work(receiver.url, secrets=(OWN, "whsec_%")))
    assert (attempt.reply.outcome, attempt.reply.reason) == (Outcome.PERMANENT, "bad_secret")
    assert receiver.connections == 0


async def test_retry_after_is_read_whatever_its_case(
    receiver: Receiver, sender: Attempting
) -> None:
    receiver.answers = [reply(429, "rEtRy-AfTeR: 17\r\n")]
    answer = await one(sender, receiver.url)
    assert answer == Reply(
        Outcome.TRANSIENT, code="429", reason="throttled", retry_after=17.0, fault=Fault.MESSAGE
    )


async def test_a_redirect_is_not_followed(receiver: Receiver, sender: Attempting) -> None:
    async with Receiver().listen() as elsewhere:
        receiver.answers = [reply(307, f"Location: {elsewhere.url}\r\n")]
        answer = await one(sender, receiver.url)
    assert (answer.outcome, answer.reason) == (Outcome.PERMANENT, "redirected")
    assert elsewhere.connections == 0


async def test_a_receiver_that_is_gone_is_suppressed(
    receiver: Receiver, sender: Attempting
) -> None:
    receiver.answers = [reply(410)]
    assert (await one(sender, receiver.url)).suppress


async def test_a_connection_is_kept_between_posts(receiver: Receiver, sender: Attempting) -> None:
    receiver.answers = [reply(200, body=b"thanks")]
    for _ in range(3):
        assert (await one(sender, receiver.url)).outcome is Outcome.ACCEPTED
    assert receiver.connections == 1


async def test_a_long_answer_costs_its_connection_and_not_its_status(receiver: Receiver) -> None:
    receiver.answers = [reply(200, body=b"x" * 200_000)]
    async with open_sender(max_response_bytes=1000) as sender:
        for _ in range(2):
            assert (await one(sender, receiver.url)).outcome is Outcome.ACCEPTED
    assert receiver.connections == 2


@pytest.mark.parametrize("close", [True, False])
async def test_a_status_stands_however_its_body_ends(receiver: Receiver, close: bool) -> None:
    receiver.answers = [raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nabc", close=close)]
    async with open_sender(send_timeout=0.5) as sender:
        assert (await one(sender, receiver.url)).outcome is Outcome.ACCEPTED


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 2", b"220 mail.example ESMTP\r\n\r\n"])
async def test_a_post_cut_off_after_it_was_handed_over_is_ambiguous(
    receiver: Receiver, sender: Attempting, answer: bytes
) -> None:
    receiver.answers = [raw(answer, close=True)]
    reply_ = await one(sender, receiver.url)
    assert (reply_.outcome, reply_.reason) == (Outcome.AMBIGUOUS, "no_reply")


async def test_no_answer_in_time_is_ambiguous_and_ends_within_the_limit(
    receiver: Receiver,
) -> None:
    receiver.answers = [hang]
    async with open_sender(send_timeout=0.3) as sender, asyncio.timeout(2):
        reply_ = await one(sender, receiver.url)
    assert (reply_.outcome, reply_.reason) == (Outcome.AMBIGUOUS, "no_reply")


async def test_a_connection_closed_while_idle_is_not_used_again(
    receiver: Receiver, sender: Attempting
) -> None:
    receiver.answers = [raw(b"HTTP/1.1 204 X\r\n\r\n", close=True)]
    for _ in range(2):
        assert (await one(sender, receiver.url)).outcome is Outcome.ACCEPTED
        await asyncio.sleep(0.05)  # for the close to arrive; nothing on this side tells
    assert receiver.connections == 2


async def test_a_kept_connection_that_ends_under_the_next_post_is_ambiguous(
    receiver: Receiver, sender: Attempting
) -> None:
    receiver.answers = [reply(204), raw(b"", close=True)]
    outcomes = [(await one(sender, receiver.url)).outcome for _ in range(2)]
    assert outcomes == [Outcome.ACCEPTED, Outcome.AMBIGUOUS]


async def test_nobody_listening_is_transient(sender: Attempting) -> None:
    async with Receiver().listen() as receiver:
        url = receiver.url
    reply_ = await one(sender, url)
    assert (reply_.outcome, reply_.reason, reply_.detail) == (
        Outcome.TRANSIENT,
        "unreachable",
        "ConnectError",
    )
    assert reply_.fault is Fault.MESSAGE, "one receiver of many"


async def test_posts_beyond_the_pools_limit_wait_their_turn(receiver: Receiver) -> None:
    async with open_sender(connections=2) as sender:
        replies = await asyncio.gather(*(one(sender, receiver.url) for _ in range(20)))
    assert {reply.outcome for reply in replies} == {Outcome.ACCEPTED}
    assert (receiver.connections, len(receiver.requests)) == (2, 20)


async def test_a_cancelled_post_gives_its_connection_back(receiver: Receiver) -> None:
    receiver.answers = [hang, reply(204)]
    async with open_sender(connections=1) as sender:
        post = asyncio.ensure_future(one(sender, receiver.url))
        await eventually(lambda: receiver.requests)
        post.cancel()
        with pytest.raises(asyncio.CancelledError):
            await post
        assert (await one(sender, receiver.url)).outcome is Outcome.ACCEPTED


async def test_plain_http_is_refused_unless_the_settings_allow_it(receiver: Receiver) -> None:
    async with open_sender(allow_http=False) as sender:
        reply_ = await one(sender, receiver.url)
    assert (reply_.outcome, reply_.reason) == (Outcome.PERMANENT, "http_refused")
    assert receiver.connections == 0


async def test_a_simulated_post_is_rendered_and_never_made(
    receiver: Receiver, sender: Attempting
) -> None:
    attempt = await sender.send(webhook_work(receiver.url, simulate=True))
    assert attempt.reply == Reply(Outcome.ACCEPTED, code="simulated")
    broken = WebhookContent(type="{% if %}")
    attempt = await sender.send(webhook_work(receiver.url, simulate=True, part=broken))
    assert attempt.reply.reason == "template_error"
    assert receiver.connections == 0


async def test_content_that_does_not_render_is_final(
    receiver: Receiver, sender: Attempting
) -> None:
    work = webhook_work(receiver.url, data={"order": "two\nlines"})
    parts: list[Part] = [
        WebhookContent(type="{% if %}"),
        WebhookContent(type="{{ data.order }}"),
        WebhookContent(type="t", data={"nan": float("nan")}),
        SmsContent(text="not a webhook"),
    ]
    for part in parts:
        fresh = dataclasses.replace(work.notification, id=uuid.uuid4())
        attempt = await sender.send(dataclasses.replace(work, part=part, notification=fresh))
        assert (attempt.reply.outcome, attempt.reply.reason) == (
            Outcome.PERMANENT,
            "template_error",
        )
    assert receiver.connections == 0


async def test_a_recipient_without_an_address_is_final(sender: Attempting) -> None:
    work = dataclasses.replace(webhook_work("http://127.0.0.1/"), addresses=Addresses())
    assert (await sender.send(work)).reply == Reply(Outcome.PERMANENT, reason="no_address")


async def test_compiled_parts_are_reused_and_their_number_is_bounded(
    receiver: Receiver, sender: Attempting
) -> None:
    work = webhook_work(receiver.url, simulate=True)
    await sender.send(work)
    (compiled,) = sender.compiled.values()
    await sender.send(dataclasses.replace(work, data={"order": "B-2"}))
    assert list(sender.compiled.values()) == [compiled]
    for _ in range(300):
        await sender.send(webhook_work(receiver.url, simulate=True))
    assert len(sender.compiled) == 256
