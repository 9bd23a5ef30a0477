"""Inbox items for tests: made as the expansion makes them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from tests.support.deliveries import GRACE, new_delivery

from fogbell.broker import InboxEvent, Publisher
from fogbell.identity import recipient_hash
from fogbell.model.status import Channel, DeliveryStatus
from fogbell.store import deliveries
from fogbell.store.database import Database


async def store_items(db: Database, recipient: str, titles: Iterable[str]) -> list[UUID]:
    """Store one item for each of ``titles``, all at this moment; their ids in that order."""
    new = [
        new_delivery(
            recipient=recipient,
            channel=Channel.INBOX,
            status=DeliveryStatus.DELIVERED,
            item={"title": title, "body": "b", "url": "/u", "data": {"n": 1}},
        )
        for title in titles
    ]
    if new:
        await deliveries.insert(db, new, GRACE)
    return [delivery.id for delivery in new]


async def restamp(db: Database, item_id: UUID, stored_at: datetime) -> None:
    """Make it so that an item was stored at another time."""
    await db.deliveries.update_one({"_id": item_id}, {"$set": {"stored_at": stored_at}})


async def store_history(
    db: Database, recipient: str, titles: Iterable[str], newest: datetime, step: timedelta
) -> list[UUID]:
    """Store items ``step`` apart, the last of them at ``newest``; their ids, oldest first."""
    ids = await store_items(db, recipient, titles)
    for age, item_id in enumerate(reversed(ids)):
        await restamp(db, item_id, newest - age * step)
    return ids


async def announce(publisher: Publisher, recipient: str, ids: Iterable[UUID]) -> None:
    """Publish the event of new items."""
    who = recipient_hash(recipient)
    assert await publisher.publish_event(InboxEvent(tuple((who, item) for item in ids)))
