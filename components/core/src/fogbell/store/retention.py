"""Deleting what is past its retention, by ranges of ids: a TTL index would burden every settle.

Nothing unsettled is ever deleted: only settled notifications carry ``purge_at``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from fogbell.identity import delivery_range
from fogbell.model.status import Channel
from fogbell.policy import Retention
from fogbell.store.database import Database, Document, store_call

DELETE_AT_ONCE = 5_000


@dataclass(slots=True)
class Purged:
    """How many documents were deleted."""

    deliveries: int = 0
    notifications: int = 0


@store_call
async def purge(db: Database, retention: Retention, most: int) -> Purged:
    """Look at up to ``most`` settled notifications whose time has come."""
    now = db.clock.now()
    cursor = (
        db.notifications.find({"purge_at": {"$lte": now}}, {"settled_at": True, "purge_at": True})
        .sort("purge_at", 1)
        .limit(most)
        .hint([("purge_at", 1)])
    )
    purged = Purged()
    for document in await cursor.to_list(None):
        await _purge_one(db, document, now, retention, purged)
    return purged


async def _purge_one(
    db: Database,
    document: Mapping[str, Any],
    now: datetime,
    retention: Retention,
    purged: Purged,
) -> None:
    notification_id: UUID = document["_id"]
    age = now - document["settled_at"]
    # From here on it cannot be replayed; where it has been meanwhile, nothing is deleted.
    held = await db.notifications.update_one(
        {"_id": notification_id, "purge_at": document["purge_at"]}, {"$set": {"purged_at": now}}
    )
    if not held.matched_count:
        return
    if age >= retention.deliveries:
        others: Document = {"channel": {"$ne": Channel.INBOX.value}}
        purged.deliveries += await _delete_deliveries(db, notification_id, others)
    if age >= retention.inbox:
        inbox: Document = {"channel": Channel.INBOX.value}
        purged.deliveries += await _delete_deliveries(db, notification_id, inbox)
    later = next_purge(document["settled_at"], age, retention)
    if later is None:
        await db.notifications.delete_one({"_id": notification_id})
        purged.notifications += 1
    else:
        await db.notifications.update_one({"_id": notification_id}, {"$set": {"purge_at": later}})


def next_purge(settled_at: datetime, age: timedelta, retention: Retention) -> datetime | None:
    """When something of the notification falls due next; None if all of it has."""
    ahead = [
        span
        for span in (retention.deliveries, retention.inbox, retention.notifications)
        if span > age
    ]
    return settled_at + min(ahead) if ahead else None


async def _delete_deliveries(db: Database, notification_id: UUID, which: Document) -> int:
    first, last = delivery_range(notification_id)
    query = {"_id": {"$gte": first, "$lte": last}, "notification_id": notification_id, **which}
    deleted = 0
    while True:
        cursor = db.deliveries.find(query, {"_id": True}).limit(DELETE_AT_ONCE).hint([("_id", 1)])
        ids = [document["_id"] for document in await cursor.to_list(None)]
        if ids:
            result = await db.deliveries.delete_many({"_id": {"$in": ids}})
            deleted += result.deleted_count
        if len(ids) < DELETE_AT_ONCE:
            return deleted
