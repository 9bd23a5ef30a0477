"""Cancelling and replaying while workers send, and after processes that left it half done."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.support.account import email_ids, recipient_ids
from tests.support.deliveries import GRACE
from tests.support.notifications import new_notification
from tests.support.system import Ground, System, mail
from tests.support.waiting import eventually

from fogbell.broker import Publisher
from fogbell.model.content import Content
from fogbell.model.notification import Audience, NamedRecipient
from fogbell.model.status import Channel, DeliveryStatus, Lane, NotificationStatus
from fogbell.store import cancelling, notifications, replaying
from fogbell.store.notifications import Accept

HOOK = {"webhook": {"type": "fog", "data": {"text": "Bell."}}}


@pytest.fixture(scope="module")
async def system(module_ground: Ground) -> AsyncIterator[System]:
    async with System(module_ground, workers=2) as running:
        yield running


async def change(system: System, id_: str, what: str, body: Any = None) -> dict[str, Any]:
    sent = {} if body is None else {"json": body}
    answer = await system.client.post(f"/v1/notifications/{id_}/{what}", **sent)
    assert answer.status_code in (200, 202), answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def frozen(system: System, id_: str) -> dict[str, Any]:
    """The notification once its totals are final."""

    async def check() -> dict[str, Any]:
        shown = await system.get(f"/v1/notifications/{id_}")
        assert shown["settled_at"], shown["totals"]
        return shown

    return await eventually(check, 40, 0.1)


def hook(system: System, path: str) -> dict[str, Any]:
    return {"webhook": {"url": f"{system.ground.sink.webhook_url}{path}"}}


async def test_a_replay_after_the_cause_was_mended_delivers(system: System) -> None:
    names = [f"mended{n}" for n in range(20)]
    for name in names:
        await system.put_recipient(name, addresses=hook(system, f"/gone/{name}"))
    body = {"audience": {"recipients": names}, "channels": ["webhook"], "content": HOOK}
    id_ = (await system.post(body))["id"]
    shown = await frozen(system, id_)
    assert shown["totals"]["dead"] == len(names)
    for name in names:
        answer = await system.client.patch(
            f"/v1/recipients/{name}", json={"addresses": hook(system, f"/ok/{name}")}
        )
        assert answer.status_code == 200
    replayed = await change(system, id_, "replay")
    assert replayed["replayed"] == len(names)
    again = await frozen(system, id_)
    assert again["totals"]["delivered"] == len(names)
    assert again["settled_at"] > shown["settled_at"]
    account = await system.account(id_, expected=recipient_ids(id_, names, Channel.WEBHOOK))
    assert account.duplicates == 0
    record = next(iter(account.records.values()))
    assert [attempt["outcome"] for attempt in record["attempts"]] == ["permanent", "accepted"]


async def test_what_is_cancelled_while_it_is_sent_arrives_or_is_cancelled_and_never_both(
    system: System,
) -> None:
    addresses = [f"flying{n}@example.org" for n in range(900)]
    id_ = (await system.post(mail(*addresses)))["id"]
    await eventually(lambda: _arrived(system, addresses), 20, 0.005)
    await change(system, id_, "cancel")
    shown = await frozen(system, id_)
    assert shown["status"] == "cancelled"
    assert shown["totals"]["delivered"] + shown["totals"]["cancelled"] == shown["expected"]
    expected = set(await _stored_ids(system, id_))
    assert expected <= email_ids(id_, addresses)
    account = await system.account(id_, expected=expected)
    assert account.statuses["delivered"] == shown["totals"]["delivered"]


def _arrived(system: System, addresses: list[str]) -> int:
    wanted = set(addresses)
    return sum(not wanted.isdisjoint(entry.to) for entry in system.ground.sink.entries())


async def test_a_run_cancelled_in_its_expansion_stops_there_and_adds_up(system: System) -> None:
    names = [f"slow{n:03d}" for n in range(200)]
    for name in names[:3]:
        await system.put_recipient(name, addresses={"email": f"{name}@example.org"})
    rows = [f"{name},{name}@example.org" for name in names]
    imported = "\n".join(["id,email", *rows]) + "\n"
    await system.client.post(
        "/v1/recipients/import", content=imported, headers={"Content-Type": "text/csv"}
    )
    run = await _throttled(system, names, per_second=20)

    async def begun() -> bool:
        return await system.db.deliveries.count_documents({"notification_id": run}) > 0

    await eventually(begun)
    assert (await change(system, str(run), "cancel"))["status"] == "cancelled"
    shown = await frozen(system, str(run))
    made = await _stored_ids(system, str(run))
    assert shown["expected"] == sum(shown["totals"].values()) == len(made)
    assert 0 < len(made) < len(names)


async def _throttled(system: System, names: list[str], per_second: int) -> UUID:
    now = system.db.clock.now()
    notification = new_notification(
        audience=Audience(recipients=tuple(NamedRecipient(name) for name in names)),
        lane=Lane.BULK,
        content=Content.model_validate({"email": {"subject": "Fog", "text": "Bell."}}),
        throttle_per_second=per_second,
        created_at=now,
    )
    accept = Accept(notification, [], now + GRACE, NotificationStatus.EXPANDING)
    await notifications.accept(system.db, [accept], GRACE)
    ground = system.ground
    publisher = Publisher(ground.rabbitmq, ground.topology, name="test", count=lambda *_: None)
    publisher.start()
    await publisher.wait_connected()
    assert await publisher.publish_expansion(notification.id)
    await publisher.close()
    return notification.id


async def _stored_ids(system: System, id_: str) -> list[UUID]:
    cursor = system.db.deliveries.find({"notification_id": UUID(id_)}, {"_id": True})
    return [document["_id"] async for document in cursor]


async def test_the_sweep_finishes_a_cancellation_that_was_only_marked(ground: Ground) -> None:
    async with System(ground, workers=0, retry=False) as system:
        id_ = (await system.post(mail(*(f"{n}@example.org" for n in range(50)))))["id"]
        assert await cancelling.mark(system.db, UUID(id_), timedelta(0))
        await system.start_retry()
        shown = await frozen(system, id_)
        assert shown["totals"]["cancelled"] == 50
        # What was published before finds nothing to claim.
        await system.add_worker()
        marker = await system.post(mail("marker@example.org"))
        await system.settled(marker["id"])
        assert [entry.to for entry in ground.sink.entries()] == [("marker@example.org",)]


async def test_the_sweep_finishes_a_replay_that_had_only_begun(system: System) -> None:
    names = [f"begun{n}" for n in range(5)]
    for name in names:
        await system.put_recipient(name, addresses=hook(system, f"/gone/{name}"))
    body = {"audience": {"recipients": names}, "channels": ["webhook"], "content": HOOK}
    id_ = (await system.post(body))["id"]
    await frozen(system, id_)
    for name in names:
        await system.put_recipient(name, addresses=hook(system, f"/ok/{name}"))
    dead = replaying.Selection(frozenset({DeliveryStatus.DEAD}))
    begun = await replaying.begin(system.db, UUID(id_), dead, timedelta(0))
    assert isinstance(begun, replaying.Replay)
    shown = await frozen(system, id_)
    assert shown["totals"]["delivered"] == len(names)
