"""Large audiences: every member gets one delivery a channel, whoever finished the expansion."""

from collections import Counter
from typing import Any
from uuid import UUID

from tests.support.account import recipient_ids
from tests.support.deliveries import GRACE
from tests.support.notifications import new_notification
from tests.support.system import LONG_LEASES, Ground, System, when

from fogbell.broker import Publisher
from fogbell.model.content import Content
from fogbell.model.notification import Audience
from fogbell.model.status import Channel, Lane, NotificationStatus
from fogbell.store import notifications
from fogbell.store.notifications import Accept

MEMBERS = [f"member-{n:04d}" for n in range(3000)]
CHANNELS = (Channel.EMAIL, Channel.INBOX)
CONTENT: dict[str, Any] = {
    "email": {"subject": "Fog", "text": "The bell rings for {{ recipient.id }}."},
    "inbox": {"title": "The bell rings for {{ recipient.id }}"},
}


async def _import(system: System) -> None:
    rows = [f"{name},{name}@example.org,crew;all" for name in MEMBERS]
    csv = "\n".join(["id,email,groups", *rows]) + "\n"
    answer = await system.client.post(
        "/v1/recipients/import", content=csv, headers={"Content-Type": "text/csv"}
    )
    assert answer.json()["imported"] == len(MEMBERS)


async def _settled(system: System, run: str) -> None:
    (shown,) = await system.settled(run, within=60)
    assert shown["expected"] == len(MEMBERS) * len(CHANNELS)
    assert shown["by_channel"] == {c.value: {"delivered": len(MEMBERS)} for c in CHANNELS}
    await when(lambda: _frozen(system, run))
    expected = recipient_ids(run, MEMBERS, *CHANNELS)
    account = await system.account(run, expected=expected)
    per_channel = Counter(record["channel"] for record in account.records.values())
    assert per_channel == dict.fromkeys(CHANNELS, len(MEMBERS))
    assert (account.duplicates, account.lost_leases) == (0, 0)


async def _frozen(system: System, run: str) -> bool:
    """The sweep has written down the totals, and they are what was counted."""
    shown = await system.get(f"/v1/notifications/{run}")
    assert shown["settled_at"]
    return bool(shown["totals"]["delivered"] == len(MEMBERS) * len(CHANNELS))


async def test_every_member_of_a_group_is_reached_once_a_channel(ground: Ground) -> None:
    async with System(ground, workers=2, settings=LONG_LEASES) as system:
        await _import(system)
        body = {"audience": {"groups": ["crew", "all"]}, "channels": list(CHANNELS)}
        posted = await system.post(body | {"content": CONTENT})
        assert posted["expected"] is None
        await _settled(system, posted["id"])


async def test_an_expansion_whose_worker_is_killed_is_finished_by_another(ground: Ground) -> None:
    async with System(ground, workers=1, retry=False) as system:
        await _import(system)
        run = await _begin_slow_run(system)
        await when(lambda: _some_are_there(system, run))
        await system.kill(system.worker(0))
        held = await system.db.notifications.find_one({"_id": run})
        assert held is not None
        assert "expanded_at" not in held
        await system.add_worker()
        await system.start_retry()
        await when(lambda: _resumed(system, run))
        await system.settled(str(run), within=60)
        account = await system.account(
            str(run), expected=recipient_ids(str(run), MEMBERS, *CHANNELS)
        )
        assert account.statuses == {"delivered": len(MEMBERS) * len(CHANNELS)}
        shown = await system.get(f"/v1/notifications/{run}")
        assert shown["expected"] == len(MEMBERS) * len(CHANNELS)


async def _begin_slow_run(system: System) -> UUID:
    """A run at 500 people a second, such as a campaign makes: slow enough to be interrupted."""
    now = system.db.clock.now()
    run = new_notification(
        channels=CHANNELS,
        lane=Lane.BULK,
        audience=Audience(groups=("crew",)),
        content=Content.model_validate(CONTENT),
        throttle_per_second=500,
        created_at=now,
    )
    accept = Accept(run, [], now + GRACE, NotificationStatus.EXPANDING)
    await notifications.accept(system.db, [accept], GRACE)
    ground = system.ground
    publisher = Publisher(ground.rabbitmq, ground.topology, name="test", count=lambda *_: None)
    publisher.start()
    await publisher.wait_connected()
    assert await publisher.publish_expansion(run.id)
    await publisher.close()
    return run.id


async def _some_are_there(system: System, run: UUID) -> bool:
    """A checkpoint has been made, and more is inserted than it says."""
    stored = await system.db.notifications.find_one({"_id": run}) or {}
    return bool(stored.get("expansion", {}).get("cursor"))


async def _resumed(system: System, run: UUID) -> bool:
    stored = await system.db.notifications.find_one({"_id": run}) or {}
    return bool(stored.get("expansion", {}).get("starts") == 2)
