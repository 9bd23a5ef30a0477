"""Deleting what is past its retention, by ranges of ids: a TTL index would burden every settle.

Nothing unsettled is ever deleted: only settled notifications carry ``purge_at``. Nor is what an app
is still to be told (`store.reporting`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Any
from uuid import UUID

from pymongo import ASCENDING, DeleteMany, DeleteOne, UpdateOne

from fogbell.identity import SLICES, delivery_slices
from fogbell.model.status import Channel
from fogbell.policy import Retention
from fogbell.store.database import Database, Document, store_call
from fogbell.store.reporting import oldest_untold

PAGE = 500
"""Notifications that are read at once."""

PIECE = 1_000
"""Deliveries of a large run that are deleted by one operation, about."""

BATCH = 5_000
"""Deliveries that are deleted in one command, about: of one run, or of many small ones."""

OPERATIONS = 500
"""Operations in one command."""

CLOCKS = timedelta(minutes=1)
"""How far the times on a notification and on its deliveries may be apart: different clocks."""

_INBOX = Channel.INBOX.value
_WHICH: Mapping[str, Document] = {
    "all": {},
    "sent": {"channel": {"$ne": _INBOX}},
    "inbox": {"channel": _INBOX},
}


@dataclass(slots=True)
class Purged:
    """How many documents were deleted."""

    deliveries: int = 0
    notifications: int = 0


@dataclass(slots=True)
class Batch:
    """What is deleted in one command, and what the notifications say once it has been."""

    deletes: list[DeleteMany] = field(default_factory=list)
    updates: list[UpdateOne | DeleteOne] = field(default_factory=list)
    size: int = 0

    @property
    def full(self) -> bool:
        """Whether the next one begins."""
        return self.size >= BATCH or len(self.deletes) + len(self.updates) >= OPERATIONS


@store_call
async def purge(db: Database, retention: Retention, within: float) -> Purged:
    """Delete until nothing is due, or for ``within`` seconds: the next call goes on from there."""
    ends = monotonic() + within
    purged = Purged()
    told = await _told(db)
    while True:
        now = db.clock.now()
        ids = await _due(db, now, told)
        for batch in batches(await _hold(db, ids, now), now, retention):
            await _apply(db, batch, purged)
            if monotonic() > ends:
                return purged
        if len(ids) < PAGE:
            return purged


async def _told(db: Database) -> Document:
    """What holds for notifications of which nothing is to be told any more.

    A delivery settles before its notification does. So none of those that settled before the
    oldest entry of the deliveries' outbox has a delivery in it.
    """
    itself: Document = {"report": {"$ne": True}}
    oldest = await oldest_untold(db)
    if oldest is None:
        return itself
    earlier = {"settled_at": {"$lt": oldest - CLOCKS}}
    return itself | {"$or": [{"reports": {"$exists": False}}, earlier]}


async def _due(db: Database, now: datetime, told: Document) -> list[UUID]:
    cursor = db.notifications.find({"purge_at": {"$lte": now}, **told}, {"_id": True})
    cursor = cursor.sort("purge_at", ASCENDING).limit(PAGE).hint([("purge_at", ASCENDING)])
    return [document["_id"] for document in await cursor.to_list(None)]


async def _hold(db: Database, ids: Sequence[UUID], now: datetime) -> list[Mapping[str, Any]]:
    """Those of ``ids`` that are due still: from here on they cannot be replayed."""
    if not ids:
        return []
    # A replay takes `purge_at` away: then nothing is deleted.
    still = {"_id": {"$in": list(ids)}, "purge_at": {"$lte": now}}
    await db.notifications.update_many(still, {"$set": {"purged_at": now}}, hint="_id_")
    fields = dict.fromkeys(("settled_at", "expected", "frozen", "purge"), True)
    held = still | {"purged_at": {"$exists": True}}
    return await db.notifications.find(held, fields).hint([("_id", ASCENDING)]).to_list(None)


async def _apply(db: Database, batch: Batch, purged: Purged) -> None:
    if batch.deletes:
        result = await db.deliveries.bulk_write(batch.deletes, ordered=False)
        purged.deliveries += result.deleted_count
    if batch.updates:
        result = await db.notifications.bulk_write(batch.updates, ordered=False)
        purged.notifications += result.deleted_count


def batches(
    held: Sequence[Mapping[str, Any]], now: datetime, retention: Retention
) -> Iterator[Batch]:
    """The commands that delete what is due of ``held``, in order. Pure.

    A large run is deleted slice by slice, and remembers how far that is.
    """
    batch = Batch()
    for document in held:
        age = now - document["settled_at"]
        which = _due_by(age, retention)
        for start, end in _pieces(document, which):
            batch.deletes.append(_delete(document["_id"], start, end, which))
            batch.size += min(_size(document), PIECE)
            if batch.full and end < SLICES:
                batch.updates.append(_reached(document["_id"], which, end))
                yield batch
                batch = Batch()
        batch.updates.append(_done(document, age, retention))
        if batch.full:
            yield batch
            batch = Batch()
    if batch.updates:
        yield batch


def _due_by(age: timedelta, retention: Retention) -> str | None:
    """Which deliveries are past their retention: a key of `_WHICH`, None for none."""
    sent, inbox = age >= retention.deliveries, age >= retention.inbox
    if sent and inbox:
        return "all"
    return "sent" if sent else "inbox" if inbox else None


def _pieces(document: Mapping[str, Any], which: str | None) -> Iterator[tuple[int, int]]:
    """Slices to delete, from where an earlier purge of the same deliveries ended."""
    if which is None:
        return
    before = document.get("purge", {})
    start = before["reached"] if before.get("which") == which else 0
    step = max(1, SLICES * PIECE // max(PIECE, _size(document)))
    while start < SLICES:
        end = min(start + step, SLICES)
        yield start, end
        start = end


def _size(document: Mapping[str, Any]) -> int:
    frozen = document.get("frozen", {}).values()
    return max(document.get("expected") or 0, sum(sum(counts.values()) for counts in frozen))


def _delete(notification_id: UUID, start: int, end: int, which: str | None) -> DeleteMany:
    first, last = delivery_slices(notification_id, start, end)
    query = {"_id": {"$gte": first, "$lte": last}, "notification_id": notification_id}
    return DeleteMany(query | _WHICH[which or "all"], hint="_id_")


def _reached(notification_id: UUID, which: str | None, end: int) -> UpdateOne:
    purge = {"which": which, "reached": end}
    return UpdateOne({"_id": notification_id}, {"$set": {"purge": purge}})


def _done(
    document: Mapping[str, Any], age: timedelta, retention: Retention
) -> UpdateOne | DeleteOne:
    later = next_purge(document["settled_at"], age, retention)
    if later is None:
        return DeleteOne({"_id": document["_id"]})
    return UpdateOne(
        {"_id": document["_id"]}, {"$set": {"purge_at": later}, "$unset": {"purge": ""}}
    )


def next_purge(settled_at: datetime, age: timedelta, retention: Retention) -> datetime | None:
    """When something of the notification falls due next; None if all of it has."""
    ahead = [
        span
        for span in (retention.deliveries, retention.inbox, retention.notifications)
        if span > age
    ]
    return settled_at + min(ahead) if ahead else None
