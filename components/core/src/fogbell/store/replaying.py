"""Putting settled deliveries back (protocol step 11), so that no crash leaves half of it undone.

First the notification: it is unsettled, and carries what is asked for (``replaying``) and whose it
is (a token). Then the deliveries, in pages, each a transaction with the notification: a page of a
replay that has been stopped, or that another process has finished, is never applied. A delivery
remembers the token, so that what dies again meanwhile is not put back twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from pymongo import ASCENDING, ReturnDocument

from fogbell.identity import delivery_range
from fogbell.model.status import PUSH_CHANNELS, Channel, DeliveryStatus, Lane
from fogbell.policy import expired
from fogbell.store.claims import milliseconds, new_token
from fogbell.store.database import Database, Document, Session, store_call
from fogbell.store.deliveries import REPORT_AGAIN
from fogbell.store.indexes import OUTSTANDING_KEYS, undelivered

PAGE = 1_000

_BY_ID = [("_id", ASCENDING)]
_OVER = ("settled_at", "reason", "not_before", "alone", "releases", "owner", "lost_owner")
"""What belongs to the end that a replayed delivery had. `lost_leases` stays: it is tried alone."""

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


@dataclass(frozen=True, slots=True)
class Page:
    """One page: who are back, by channel; ``alone`` are to be tried by themselves.

    ``last`` is where the next page starts; None where this was the last one.
    """

    lane: Lane | None = None
    together: dict[Channel, list[UUID]] = field(default_factory=dict)
    alone: dict[Channel, list[UUID]] = field(default_factory=dict)
    replayed: int = 0
    last: UUID | None = None


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
async def anything(db: Database, notification_id: UUID, selection: Selection) -> bool:
    """Whether there is a delivery to put back: without one nothing is unsettled."""
    query, hint = _wanted(notification_id, selection, None)
    return await db.deliveries.find_one(query, {"_id": True}, hint=hint) is not None


def _wanted(
    notification_id: UUID, selection: Selection, after: UUID | None
) -> tuple[Document, Sequence[tuple[str, int]]]:
    """The filter of a page and the index that answers it."""
    channels = PUSH_CHANNELS if selection.channel is None else {selection.channel} & PUSH_CHANNELS
    words = sorted(s.value for s in selection.statuses)
    query: Document = {
        "notification_id": notification_id,
        "channel": {"$in": sorted(c.value for c in channels)},
    }
    if DeliveryStatus.DELIVERED not in selection.statuses:
        return query | undelivered(words), OUTSTANDING_KEYS
    # Delivered ones are in no index by notification: they are walked by id.
    query["status"] = {"$in": words}
    first, last = delivery_range(notification_id)
    query["_id"] = {"$gte": first, "$lte": last} if after is None else {"$gt": after, "$lte": last}
    return query, _BY_ID


@store_call
async def page(
    db: Database, replay: Replay, grace: timedelta, lease: timedelta, after: UUID | None = None
) -> Page | None:
    """Put the next page back, from behind ``after``; None where the replay has been stopped.

    ``grace`` is when the sweep publishes what nobody has claimed by then.
    """
    query, hint = _wanted(replay.notification_id, replay.selection, after)
    query["replay"] = {"$ne": replay.token}
    fields = {"channel": True, "lane": True, "lost_leases": True}
    cursor = db.deliveries.find(query, fields).limit(PAGE).hint(hint)
    found = await (cursor.sort("_id", 1) if hint is _BY_ID else cursor).to_list(None)
    if not found:
        return Page()
    changed = await _put_back(db, replay, [d["_id"] for d in found], grace, lease)
    return None if changed is None else _page(found, changed)


async def _put_back(
    db: Database, replay: Replay, ids: list[UUID], grace: timedelta, lease: timedelta
) -> int | None:
    """How many changed, or None where the replay is not this one any more."""

    async def both(session: Session) -> int | None:
        held = await db.notifications.update_one(
            {"_id": replay.notification_id, "replaying.token": replay.token},
            [{"$set": {"sweep_at": {"$add": ["$$NOW", milliseconds(lease)]}}}],
            session=session,
        )
        if not held.matched_count:
            return None
        result = await db.deliveries.update_many(
            {
                "_id": {"$in": ids},
                "status": {"$in": sorted(s.value for s in replay.selection.statuses)},
                "replay": {"$ne": replay.token},
            },
            _budget(replay.token, grace),
            hint=_BY_ID,
            session=session,
        )
        return int(result.modified_count)

    async with await db.client.start_session() as session:
        changed: int | None = await session.with_transaction(
            both, read_concern=db.handle.read_concern, write_concern=db.handle.write_concern
        )
    return changed


def _budget(token: str, grace: timedelta) -> list[Document]:
    """A new budget; the history stays. The provider sees another idempotency key."""
    return [
        {
            "$set": {
                "status": DeliveryStatus.PENDING.value,
                "attempt_count": 0,
                "lost_alone": 0,
                "replays": {"$add": [{"$ifNull": ["$replays", 0]}, 1]},
                "replayed_at": "$$NOW",
                "replay": token,
                "report": REPORT_AGAIN,
                "sweep_at": {"$add": ["$$NOW", milliseconds(grace)]},
            }
        },
        {"$unset": list(_OVER)},
    ]


def _page(found: Sequence[Mapping[str, Any]], changed: int) -> Page:
    made = Page(lane=Lane(found[0]["lane"]), replayed=changed, last=found[-1]["_id"])
    for document in found:
        kind = made.alone if document.get("lost_leases") else made.together
        kind.setdefault(Channel(document["channel"]), []).append(document["_id"])
    return made


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
