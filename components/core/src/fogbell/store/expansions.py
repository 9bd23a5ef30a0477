"""The lease and the cursor of an expansion (protocol step 10).

A cursor is a string that grows as the expansion proceeds, so that ``$max`` keeps the furthest.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pymongo import ReturnDocument

from fogbell.model.notification import Notification
from fogbell.store.claims import milliseconds
from fogbell.store.codec import notification_value
from fogbell.store.counting import ByChannel, count_expanded, expected_of
from fogbell.store.database import Database, Document, store_call
from fogbell.store.progress import summary_of

FAILED = "expansion_failed"
"""The notification's reason where its expansion has been given up."""

_MOST_DOUBLINGS = 10

COUNT_LEASE = timedelta(seconds=30)
"""Renewed before each piece that is counted, which takes half a second or so."""


class _LeaseLostError(Exception):
    pass


@dataclass(frozen=True, slots=True)
class ExpansionLease:
    """A notification that this process alone expands until the lease ends.

    Everything up to ``cursor`` is inserted (None: nothing yet). ``resumed`` tells that another
    start came before, so that something behind the cursor may be inserted as well. ``inserted``
    is what earlier starts are known to have inserted, by channel.
    """

    notification: Notification
    token: str
    cursor: str | None
    resumed: bool
    inserted: Mapping[str, int] = field(default_factory=dict)


@store_call
async def take(
    db: Database, notification_id: UUID, token: str, lease: timedelta
) -> ExpansionLease | None:
    """Lease an expansion that is due and nobody's; None where there is nothing to do."""
    until = {"$add": ["$$NOW", milliseconds(lease)]}
    document: Mapping[str, Any] | None = await db.notifications.find_one_and_update(
        {
            "_id": notification_id,
            "expanded_at": {"$exists": False},
            "cancelled_at": {"$exists": False},
            "reason": {"$exists": False},
            # Missing dates sort below every date: never sent later, never leased.
            "$expr": {
                "$and": [
                    {"$lte": ["$send_at", "$$NOW"]},
                    {"$lte": ["$expansion.until", "$$NOW"]},
                ]
            },
        },
        [
            {
                "$set": {
                    "expansion.owner": token,
                    "expansion.until": until,
                    "expansion.starts": {"$add": [{"$ifNull": ["$expansion.starts", 0]}, 1]},
                    "sweep_at": until,
                }
            }
        ],
        return_document=ReturnDocument.AFTER,
    )
    if document is None:
        return None
    state = document["expansion"]
    return ExpansionLease(
        notification_value(document),
        token,
        state.get("cursor"),
        resumed=state["starts"] > 1,
        inserted=state.get("inserted") or {},
    )


@store_call
async def checkpoint(
    db: Database,
    notification_id: UUID,
    token: str,
    cursor: str | None,
    lease: timedelta,
    *,
    inserted: Mapping[str, int] | None = None,
) -> bool:
    """Move the cursor ahead and renew the lease; False where it is lost, or the run cancelled.

    Without a ``cursor`` it stays where it is. ``inserted`` is how many deliveries there are up to
    it, by channel, so that progress can be told meanwhile.
    """
    known: Document = {}
    if inserted is not None:
        known = {
            "expansion.inserted": {"$literal": dict(inserted)},
            "expansion.reached_at": "$$NOW",
        }
    until = {"$add": ["$$NOW", milliseconds(lease)]}
    result = await db.notifications.update_one(
        {
            "_id": notification_id,
            "expansion.owner": token,
            "cancelled_at": {"$exists": False},
        },
        [
            {
                "$set": {
                    "expansion.cursor": {"$max": ["$expansion.cursor", {"$literal": cursor}]},
                    "expansion.until": until,
                    "sweep_at": until,
                    **known,
                }
            }
        ],
    )
    return bool(result.matched_count)


@store_call
async def finish(db: Database, notification_id: UUID, token: str, look_after: timedelta) -> bool:
    """Close the expansion: count what it made, once, and have the sweep look ``look_after``.

    The same count is the summary until then, where there is much outstanding.
    False where the lease is lost: then another process finishes it.
    """

    async def renew() -> None:
        if not await _hold(db, notification_id, token, COUNT_LEASE):
            raise _LeaseLostError

    try:
        as_of = db.clock.now()
        counted = await count_expanded(db, notification_id, renew)
    except _LeaseLostError:
        return False
    summary = summary_of(counted, as_of)
    result = await db.notifications.update_one(
        {"_id": notification_id, "expansion.owner": token},
        [
            *closing_stages(counted),
            {"$set": {"sweep_at": {"$add": ["$$NOW", milliseconds(look_after)]}}},
            *([{"$set": {"summary": {"$literal": summary}}}] if summary else []),
        ],
    )
    return bool(result.matched_count)


def closing_stages(counted: ByChannel) -> list[Document]:
    """The stages that close an expansion which has made so many."""
    expected = expected_of(counted)
    made: Document = {
        "expected": sum(expected.values()),
        "expected_by_channel": {"$literal": expected},
        "expanded_at": "$$NOW",
    }
    # What was true of a part is not true of the whole.
    return [{"$set": made}, {"$unset": ["expansion", "summary"]}]


async def _hold(db: Database, notification_id: UUID, token: str, span: timedelta) -> bool:
    """Keep the lease for ``span``: counting ten million takes many times as long as a page."""
    until = {"$add": ["$$NOW", milliseconds(span)]}
    result = await db.notifications.update_one(
        {"_id": notification_id, "expansion.owner": token},
        [{"$set": {"expansion.until": until, "sweep_at": until}}],
    )
    return bool(result.matched_count)


@store_call
async def give_back(db: Database, notification_id: UUID, token: str) -> None:
    """End the lease early, so that another process can go on at once."""
    await db.notifications.update_one(
        {"_id": notification_id, "expansion.owner": token},
        [{"$set": {"sweep_at": "$$NOW"}}, {"$unset": ["expansion.owner", "expansion.until"]}],
    )


@store_call
async def fail(
    db: Database, notification_id: UUID, token: str, *, limit: int, pause: timedelta
) -> bool:
    """End the lease after a defect, to be taken up again after ``pause``, doubled each time.

    After ``limit`` failures at the same cursor it is given up until `resume`: then True. What is
    inserted stays, and is sent.
    """
    cursor: Document = {"$ifNull": ["$expansion.cursor", None]}
    same = {"$eq": [{"$ifNull": ["$expansion.failed_cursor", None]}, cursor]}
    failures = {"$ifNull": ["$expansion.failures", 0]}
    over = {"$gte": ["$expansion.failures", limit]}
    doublings = {"$min": [{"$subtract": ["$expansion.failures", 1]}, _MOST_DOUBLINGS]}
    wait = {"$toLong": {"$multiply": [milliseconds(pause), {"$pow": [2, doublings]}]}}
    document: Mapping[str, Any] | None = await db.notifications.find_one_and_update(
        {
            "_id": notification_id,
            "expansion.owner": token,
            "cancelled_at": {"$exists": False},
        },
        [
            {"$set": {"expansion.failures": {"$cond": [same, {"$add": [failures, 1]}, 1]}}},
            {
                "$set": {
                    "expansion.failed_cursor": cursor,
                    "reason": {"$cond": [over, FAILED, "$$REMOVE"]},
                    "sweep_at": {"$cond": [over, "$$REMOVE", {"$add": ["$$NOW", wait]}]},
                }
            },
            {"$unset": ["expansion.owner", "expansion.until"]},
        ],
        projection={"reason": True},
        return_document=ReturnDocument.AFTER,
    )
    return document is not None and document.get("reason") == FAILED


@store_call
async def resume(db: Database, notification_id: UUID, grace: timedelta) -> bool:
    """Let an expansion that was given up go on from its cursor; False where it was not.

    The sweep queues it after ``grace``, unless it is queued before.
    """
    result = await db.notifications.update_one(
        {"_id": notification_id, "reason": FAILED, "cancelled_at": {"$exists": False}},
        [
            {"$set": {"sweep_at": {"$add": ["$$NOW", milliseconds(grace)]}}},
            {"$unset": ["reason", "expansion.failures", "expansion.failed_cursor"]},
        ],
    )
    return bool(result.matched_count)


@store_call
async def due(db: Database, until: datetime, limit: int) -> list[UUID]:
    """Notifications to expand: scheduled ones whose time has come, and those left half-way."""
    query: Document = {
        "sweep_at": {"$lte": until},
        "expanded_at": {"$exists": False},
        "cancelled_at": {"$exists": False},
    }
    cursor = (
        db.notifications.find(query, {"_id": True})
        .sort("sweep_at", 1)
        .limit(limit)
        .hint([("sweep_at", 1)])
    )
    return [document["_id"] for document in await cursor.to_list(None)]


@store_call
async def postpone(db: Database, ids: list[UUID], until: datetime, pause: timedelta) -> None:
    """Move ``sweep_at`` ahead of what has just been queued, where nobody has leased it since."""
    await db.notifications.update_many(
        {"_id": {"$in": ids}, "sweep_at": {"$lte": until}, "expanded_at": {"$exists": False}},
        [{"$set": {"sweep_at": {"$add": ["$$NOW", milliseconds(pause)]}}}],
        hint=[("_id", 1)],
    )
