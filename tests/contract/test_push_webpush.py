"""Push messages to browsers, against a push service that keeps to the RFCs."""

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.responses import Response
from tests.support.providers import served, work_for
from tests.support.routing import Attempting, push_sender
from tests.support.webhooks import Receiver, hang
from tests.support.webpush import Browser, PushService

from fogbell.model.address import Addresses, PushAddress
from fogbell.model.content import PushContent
from fogbell.model.outcome import Fault, Outcome, Reply
from fogbell.model.status import Channel, Lane
from fogbell_worker.channels.push import PushSettings
from fogbell_worker.channels.push.vapid import b64url
from fogbell_worker.sending import Work

KEY = ec.generate_private_key(ec.SECP256R1())
RAW_KEY = b64url(KEY.private_numbers().private_value.to_bytes(32, "big"))
CONTENT = PushContent(title="Order {{ data.order }}", body="für Zoë", data={"id": "A-1"})


@contextlib.asynccontextmanager
async def open_sender(**settings: object) -> AsyncIterator[Attempting]:
    values = {
        "vapid_private_key": RAW_KEY,
        "vapid_subject": "mailto:ops@example.org",
        "allow_networks": ["127.0.0.0/8"],
        "allow_http": True,
        "send_timeout": 5,
        **settings,
    }
    sender = push_sender(PushSettings.model_validate(values))
    try:
        yield sender
    finally:
        await sender.close()


@pytest.fixture
async def sender() -> AsyncIterator[Attempting]:
    async with open_sender() as opened:
        yield opened


@pytest.fixture
def service() -> PushService:
    return PushService(KEY.public_key())


@pytest.fixture
async def url(service: PushService) -> AsyncIterator[str]:
    async with served(service.app) as base_url:
        yield f"{base_url}/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV"


@pytest.fixture
def browser() -> Browser:
    return Browser()


def push(
    device: PushAddress,
    part: PushContent = CONTENT,
    *,
    lane: Lane = Lane.TRANSACTIONAL,
    simulate: bool = False,
    expires_at: datetime | None = None,
) -> Work:
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


async def test_the_browser_reads_the_message_and_the_service_knows_who_sent_it(
    service: PushService, sender: Attempting, browser: Browser, url: str
) -> None:
    work = push(browser.address(url))
    attempt = await sender.send(work)
    assert (attempt.provider, attempt.reply) == ("webpush", Reply(Outcome.ACCEPTED, code="201"))
    ((headers, body),) = service.messages
    assert json.loads(browser.decrypt(body)) == {
        "id": str(work.delivery.id),
        "title": "Order A-1",
        "body": "für Zoë",
        "data": {"id": "A-1"},
    }
    assert headers["urgency"] == "high"
    assert headers["ttl"] == "2419200"
    assert headers["topic"] == b64url(work.delivery.id.bytes)


async def test_a_repeat_replaces_what_the_device_has_not_fetched(
    service: PushService, sender: Attempting, browser: Browser, url: str
) -> None:
    work = push(browser.address(url))
    replayed = dataclasses.replace(work, delivery=dataclasses.replace(work.delivery, replays=1))
    for each in (work, replayed, push(browser.address(url))):
        await sender.send(each)
    first, again, other = (headers["topic"] for headers, _ in service.messages)
    assert first == again != other


async def test_bulk_saves_batteries_and_what_expires_is_not_kept_longer(
    service: PushService, sender: Attempting, browser: Browser, url: str
) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=5)
    await sender.send(push(browser.address(url), lane=Lane.BULK, expires_at=soon))
    ((headers, _),) = service.messages
    assert headers["urgency"] == "normal"
    assert 290 <= int(headers["ttl"]) <= 300


@pytest.mark.parametrize("status", [404, 410])
async def test_a_subscription_that_is_gone_is_suppressed(
    service: PushService, sender: Attempting, browser: Browser, url: str, status: int
) -> None:
    service.answers = [Response(status_code=status)]
    reply = (await sender.send(push(browser.address(url)))).reply
    assert reply == Reply(Outcome.PERMANENT, code=str(status), reason="gone", suppress=True)


async def test_too_many_messages_wait_as_long_as_the_service_asks(
    service: PushService, sender: Attempting, browser: Browser, url: str
) -> None:
    service.answers = [Response(status_code=429, headers={"Retry-After": "7"})]
    reply = (await sender.send(push(browser.address(url)))).reply
    assert reply == Reply(
        Outcome.TRANSIENT, code="429", reason="throttled", retry_after=7.0, fault=Fault.MESSAGE
    )


async def test_a_wrong_key_of_ours_costs_no_browser_its_subscription(
    browser: Browser, url: str
) -> None:
    other = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
    async with open_sender(vapid_private_key=b64url(other.to_bytes(32, "big"))) as sender:
        reply = (await sender.send(push(browser.address(url)))).reply
    assert (reply.outcome, reply.reason) == (Outcome.TRANSIENT, "provider_auth")
    assert not reply.suppress


async def test_a_message_that_cannot_fit_is_never_posted(
    service: PushService, sender: Attempting, browser: Browser, url: str
) -> None:
    part = PushContent(title="t", body="é" * 2000)
    reply = (await sender.send(push(browser.address(url), part))).reply
    assert (reply.outcome, reply.reason) == (Outcome.PERMANENT, "too_large")
    assert service.requests == 0


async def test_keys_that_are_no_point_of_the_curve_are_final(sender: Attempting, url: str) -> None:
    point, auth = b64url(bytes([4, *[1] * 64])), b64url(b"a" * 16)
    device = PushAddress(provider="webpush", url=url, token=f"{point}.{auth}")
    reply = (await sender.send(push(device))).reply
    assert (reply.outcome, reply.reason) == (Outcome.PERMANENT, "bad_address")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"allow_networks": []}, "address_refused"), ({"allow_http": False}, "http_refused"),
     ({"allowed_ports": [443]}, "address_refused")],
)  # fmt: skip
async def test_a_subscription_that_points_inside_is_never_posted_to(
    service: PushService, browser: Browser, url: str, settings: dict[str, object], reason: str
) -> None:
    async with open_sender(**settings) as sender:
        reply = (await sender.send(push(browser.address(url)))).reply
    assert (reply.outcome, reply.reason) == (Outcome.PERMANENT, reason)
    assert service.requests == 0


async def test_no_answer_after_the_message_was_posted_is_ambiguous(browser: Browser) -> None:
    async with (
        Receiver(answers=[hang]).listen() as receiver,
        open_sender(send_timeout=0.3) as sender,
        asyncio.timeout(3),
    ):
        reply = (await sender.send(push(browser.address(receiver.url)))).reply
    assert (reply.outcome, reply.reason) == (Outcome.AMBIGUOUS, "no_reply")


async def test_a_simulated_message_is_rendered_and_never_posted(
    service: PushService, sender: Attempting, browser: Browser, url: str
) -> None:
    reply = (await sender.send(push(browser.address(url), simulate=True))).reply
    assert reply == Reply(Outcome.ACCEPTED, code="simulated")
    assert service.requests == 0


async def test_nothing_of_a_message_is_told_to_logs_or_records(
    service: PushService, sender: Attempting, browser: Browser, url: str
) -> None:
    service.answers = [Response(status_code=410), Response("Zoë", status_code=400)]
    with structlog.testing.capture_logs() as logs:
        replies = [await sender.send(push(browser.address(url))) for _ in range(3)]
    said = repr((replies, logs))
    for private in ("Zoë", "A-1", url, browser.keys):
        assert private not in said
