"""Notifications with deliveries in chosen statuses, for tests of cancelling and replaying."""

from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

from tests.support.deliveries import GRACE, new_delivery
from tests.support.notifications import new_notification

from fogbell.model.status import Channel, DeliveryStatus, NotificationStatus
from fogbell.store import deliveries, notifications, progress
from fogbell.store.database import Database, Document

KEEP = timedelta(days=30)
NOW = timedelta(0)


async def store_run(
    db: Database,
    statuses: dict[DeliveryStatus, int],
    channel: Channel = Channel.EMAIL,
    **fields: Any,
) -> UUID:
    """An expanded notification, due for settling, with so many deliveries in each status."""
    now = db.clock.now()
    number = sum(statuses.values())
    notification = new_notification(
        **{
            "created_at": now,
            "expanded_at": now,
            "expected": number,
            "expected_by_channel": {channel.value: number},
        }
        | fields
    )
    post = notifications.Accept(notification, [], now, NotificationStatus.SENDING)
    await notifications.accept(db, [post], GRACE)
    for status, count in statuses.items():
        new = [
            new_delivery(notification.id, f"{status} {n}", channel, status=status)
            for n in range(count)
        ]
        await deliveries.insert(db, new, GRACE)
    return notification.id


async def statuses(db: Database, notification: UUID) -> dict[str, int]:
    """How many deliveries are in each status, by its word."""
    cursor = db.deliveries.find({"notification_id": notification}, {"status": True})
    return dict(Counter([document["status"] async for document in cursor]))


async def stored(db: Database, notification: UUID) -> Document:
    """The document of a notification, which has to exist."""
    found = await db.notifications.find_one({"_id": notification})
    assert found is not None
    return dict(found)


async def make_due(db: Database, notification: UUID) -> None:
    """Let the sweep come by now."""
    await db.notifications.update_one(
        {"_id": notification, "sweep_at": {"$exists": True}}, [{"$set": {"sweep_at": "$$NOW"}}]
    )


async def settle_due(db: Database) -> list[UUID]:
    """What a sweep does for notifications: freeze those with nothing outstanding."""
    candidates = await progress.due_for_settling(db, db.clock.now(), 100)
    settled, _ = await progress.settle(db, candidates, lambda _: NOW, KEEP)
    return settled
