"""Putting settled deliveries back (protocol step 11), so that no crash leaves half of it undone.

First the notification: it is unsettled, and carries what is asked for (``replaying``) and whose it
is (a token). Then the deliveries, in pages (`store.replay_pages`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from pymongo import ReturnDocument

from fogbell.model.status import Channel, DeliveryStatus
from fogbell.policy import expired
from fogbell.store.claims import milliseconds, new_token
from fogbell.store.database import Database, Document, store_call
from fogbell.store.deliveries import REPORT_AGAIN

_DECIDING = dict.fromkeys(
    ("purged_at", "cancelled_at", "settled_at", "expanded_at", "replaying", "expires_at"), True
)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which deliveries: of these settled statuses, and of one channel or all. Never the inbox."""

    statuses: frozenset[DeliveryStatus]
    channel: Channel | None = None


@dataclass(frozen=True, slots=True)
class Replay:
    """A replay under way; ``token`` names it among those of its notification."""

    notification_id: UUID
    token: str
    selection: Selection


class Refusal(StrEnum):
    """Why nothing can be replayed."""

    UNKNOWN = "unknown"
    EXPANDING = "expanding"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    PURGED = "purged"
    UNDER_WAY = "under_way"


@store_call
async def begin(
    db: Database, notification_id: UUID, selection: Selection, lease: timedelta
) -> Replay | Refusal:
    """Unsettle a notification, or join the same replay where it is under way already.

    A replay of what was cancelled lifts the cancellation, once it is settled. ``lease`` is when the
    sweep goes on, should this process end.
    """
    token = new_token()
    document: Mapping[str, Any] | None = await db.notifications.find_one_and_update(
        _replayable(notification_id, selection),
        [
            {
                "$set": {
                    "replaying": {"$literal": _stored(selection) | {"token": token}},
                    "replays": {"$add": [{"$ifNull": ["$replays", 0]}, 1]},
                    "report": REPORT_AGAIN,
                    "sweep_at": {"$add": ["$$NOW", milliseconds(lease)]},
                }
            },
            {
                "$unset": [
                    "settled_at",
                    "frozen",
                    "purge_at",
                    "summary",
                    "settle_checks",
                    "cancelled_at",
                ]
            },
        ],
        projection={"_id": True},
        return_document=ReturnDocument.AFTER,
    )
    if document is not None:
        return Replay(notification_id, token, selection)
    document = await db.notifications.find_one({"_id": notification_id}, _DECIDING)
    refusal = _refusal(document, selection, db.clock.now())
    if document is not None and refusal is None and "replaying" in document:
        return _value(document)
    # What stood in the way is gone by now: a repetition of the request will do.
    return refusal or Refusal.UNDER_WAY


def _replayable(notification_id: UUID, selection: Selection) -> Document:
    query: Document = {
        "_id": notification_id,
        "expanded_at": {"$exists": True},
        "replaying": {"$exists": False},
        "purged_at": {"$exists": False},
        "$expr": {"$gt": [{"$ifNull": ["$expires_at", {"$add": ["$$NOW", 1]}]}, "$$NOW"]},
    }
    if DeliveryStatus.CANCELLED in selection.statuses:
        query["$or"] = [{"cancelled_at": {"$exists": False}}, {"settled_at": {"$exists": True}}]
    else:
        query["cancelled_at"] = {"$exists": False}
    return query


@store_call
async def refusal(db: Database, notification_id: UUID, selection: Selection) -> Refusal | None:
    """Why nothing can be replayed at present, or None."""
    document = await db.notifications.find_one({"_id": notification_id}, _DECIDING)
    return _refusal(document, selection, db.clock.now())


def _refusal(
    document: Mapping[str, Any] | None, selection: Selection, now: datetime
) -> Refusal | None:
    if document is None:
        return Refusal.UNKNOWN
    lifted = DeliveryStatus.CANCELLED in selection.statuses and "settled_at" in document
    reasons = {
        Refusal.PURGED: "purged_at" in document,
        Refusal.CANCELLED: "cancelled_at" in document and not lifted,
        Refusal.EXPANDING: "expanded_at" not in document,
        Refusal.UNDER_WAY: "replaying" in document and _value(document).selection != selection,
        Refusal.EXPIRED: expired(document.get("expires_at"), now),
    }
    return next((refusal for refusal, holds in reasons.items() if holds), None)


def _stored(selection: Selection) -> Document:
    channel = selection.channel.value if selection.channel else None
    return {"statuses": sorted(s.value for s in selection.statuses), "channel": channel}


def _value(document: Mapping[str, Any]) -> Replay:
    stored = document["replaying"]
    channel = stored["channel"]
    selection = Selection(
        frozenset(DeliveryStatus(s) for s in stored["statuses"]),
        Channel(channel) if channel else None,
    )
    return Replay(document["_id"], stored["token"], selection)


@store_call
async def finish(db: Database, replay: Replay, look_after: timedelta) -> None:
    """All pages are done: it settles again, which the sweep looks for ``look_after``."""
    await db.notifications.update_one(
        {"_id": replay.notification_id, "replaying.token": replay.token},
        [
            {"$set": {"sweep_at": {"$add": ["$$NOW", milliseconds(look_after)]}}},
            {"$unset": ["replaying"]},
        ],
    )


@store_call
async def due(db: Database, until: datetime, limit: int) -> list[Replay]:
    """Replays that somebody left half-way."""
    cursor = (
        db.notifications.find(
            {"sweep_at": {"$lte": until}, "replaying": {"$exists": True}}, {"replaying": True}
        )
        .sort("sweep_at", 1)
        .limit(limit)
        .hint([("sweep_at", 1)])
    )
    return [_value(document) for document in await cursor.to_list(None)]
