"""Cancelling a notification (protocol step 10): it is marked first, then settled in pages.

The mark stops the expansion and every claim to come. ``cancelling`` stays on the notification until
the last page is done: whoever comes by, a request or a sweep, goes on where another one stopped.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from pymongo import ASCENDING

from fogbell.model.status import Cause, DeliveryStatus, sources
from fogbell.store import chunks
from fogbell.store.claims import milliseconds
from fogbell.store.counting import count_expanded
from fogbell.store.database import Database, Document, store_call
from fogbell.store.expansions import closing_stages
from fogbell.store.indexes import OUTSTANDING_KEYS, undelivered

PAGE = 1_000

_UNSENT = sorted(s.value for s in sources(Cause.CANCEL) if s is not DeliveryStatus.SENDING)
_BY_ID = [("_id", ASCENDING)]


@store_call
async def mark(db: Database, notification_id: UUID, grace: timedelta) -> bool:
    """Cancel a notification that is not settled; False where it is, or is cancelled, or is none.

    A replay under way is stopped. ``grace`` is when the sweep goes on, should this process end.
    """
    result = await db.notifications.update_one(
        {
            "_id": notification_id,
            "settled_at": {"$exists": False},
            "cancelled_at": {"$exists": False},
        },
        [
            {
                "$set": {
                    "cancelled_at": "$$NOW",
                    "cancelling": True,
                    "sweep_at": {"$add": ["$$NOW", milliseconds(grace)]},
                }
            },
            {"$unset": ["replaying"]},
        ],
    )
    return bool(result.matched_count)


async def settle(
    db: Database, notification_id: UUID, look_after: timedelta, pages: int | None = None
) -> bool:
    """Settle what is pending or failed, in up to ``pages`` pages; True once nothing is left to do.

    What is being sent is settled by its worker; when all is settled the totals are frozen, which
    the sweep looks for ``look_after``. False where pages, or the end of an expansion, are missing,
    and where it is not being cancelled (any more).
    """
    if not await _begun(db, notification_id):
        return False
    # In this order: once the expansion has ended, nothing is inserted behind the last page.
    expanded = await _expanded(db, notification_id)
    seen = _Chunks()
    while pages is None or pages > 0:
        if await _settle_page(db, notification_id, seen) < PAGE:
            return expanded and await _finish(db, notification_id, look_after)
        pages = None if pages is None else pages - 1
    return False


@store_call
async def _begun(db: Database, notification_id: UUID) -> bool:
    mine = {"_id": notification_id, "cancelling": True}
    return await db.notifications.find_one(mine, {"_id": True}) is not None


@store_call
async def _expanded(db: Database, notification_id: UUID) -> bool:
    """Close the expansion, unless somebody is still inserting; whether it has ended."""
    mine: Document = {"_id": notification_id, "cancelling": True}
    # Nobody takes it up any more. A lease that is missing sorts below every date.
    left = {
        **mine,
        "expanded_at": {"$exists": False},
        "$expr": {"$lte": ["$expansion.until", "$$NOW"]},
    }
    if await db.notifications.find_one(left, {"_id": True}):
        counted = await count_expanded(db, notification_id)
        await db.notifications.update_one(left, closing_stages(counted))
    ended = {**mine, "expanded_at": {"$exists": True}}
    return await db.notifications.find_one(ended, {"_id": True}) is not None


@dataclass(slots=True)
class _Chunks:
    """The chunks of the pages so far; ids are hashes, so a chunk is on many pages.

    What somebody sends under a lease is left to them. The others are void, and nobody's.
    """

    leased: set[str] = field(default_factory=set)
    void: set[str] = field(default_factory=set)

    async def look(self, db: Database, tokens: set[str]) -> None:
        """Tell the new ones of ``tokens`` apart."""
        new = tokens - self.void - self.leased
        leased = await chunks.void(db, new)
        self.leased |= leased
        self.void |= new - leased


@store_call
async def _settle_page(db: Database, notification_id: UUID, seen: _Chunks) -> int:
    """Settle a page; returns how many there were to settle."""
    cursor = (
        db.deliveries.find(
            {
                "notification_id": notification_id,
                "chunk": {"$nin": sorted(seen.leased)},
                **undelivered(_UNSENT),
            },
            {"chunk": True},
        )
        .limit(PAGE)
        .hint(OUTSTANDING_KEYS)
    )
    found = await cursor.to_list(None)
    await seen.look(db, {d["chunk"] for d in found if "chunk" in d})
    if ids := [d["_id"] for d in found if d.get("chunk") not in seen.leased]:
        await db.deliveries.update_many(
            {"_id": {"$in": ids}, "status": {"$in": _UNSENT}},
            [
                {
                    "$set": {
                        "status": DeliveryStatus.CANCELLED.value,
                        "reason": "cancelled",
                        "settled_at": "$$NOW",
                    }
                },
                {"$unset": ["sweep_at", "not_before", "alone", "releases", "chunk"]},
            ],
            hint=_BY_ID,
        )
    return len(found)


@store_call
async def _finish(db: Database, notification_id: UUID, look_after: timedelta) -> bool:
    await db.notifications.update_one(
        {"_id": notification_id, "cancelling": True},
        [
            {"$set": {"sweep_at": {"$add": ["$$NOW", milliseconds(look_after)]}}},
            {"$unset": ["cancelling"]},
        ],
    )
    return True


@store_call
async def due(db: Database, until: datetime, limit: int) -> list[UUID]:
    """Cancelled notifications that somebody left half-way, or whose expansion had not ended."""
    cursor = (
        db.notifications.find({"sweep_at": {"$lte": until}, "cancelling": True}, {"_id": True})
        .sort("sweep_at", 1)
        .limit(limit)
        .hint([("sweep_at", 1)])
    )
    return [document["_id"] for document in await cursor.to_list(None)]


@store_call
async def postpone(db: Database, notification_id: UUID) -> None:
    """Look again at once, or where an expansion goes on, when its lease is over."""
    await db.notifications.update_one(
        {"_id": notification_id, "cancelling": True},
        [{"$set": {"sweep_at": {"$max": ["$expansion.until", "$$NOW"]}}}],
    )
