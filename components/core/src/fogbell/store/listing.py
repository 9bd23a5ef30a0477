"""Lists by time, newest first: notifications, and the deliveries of one recipient.

A place in such a list is (created_at, id): several records share a millisecond.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from pymongo import ASCENDING, DESCENDING

from fogbell.model.delivery import DeliveryView
from fogbell.model.notification import Notification, OriginType, Progress
from fogbell.model.status import NotificationStatus
from fogbell.store.codec import delivery_view, notification_value
from fogbell.store.database import Database, Document, store_call
from fogbell.store.indexes import CREATED_KEYS, REFERENCE_KEYS
from fogbell.store.progress import frozen_progress

_RECIPIENT_KEYS = [("recipient_id", ASCENDING), ("created_at", DESCENDING)]
_SAID = dict.fromkeys(("audience", "content", "data"), False)


class Place(NamedTuple):
    """Where a record stands in a list: by time, and by id among those of one millisecond."""

    created_at: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class Filter:
    """Which notifications: all that is given has to hold. ``created_after`` is exclusive.

    Without an ``origin``, those that were asked for: callbacks are not among them.
    """

    reference: str | None = None
    status: NotificationStatus | None = None
    created_after: datetime | None = None
    origin: OriginType | None = None


@store_call
async def notifications(
    db: Database, which: Filter, *, behind: Place | None = None, limit: int
) -> list[tuple[Notification, Progress | None]]:
    """A page of notifications, newest first, without what they say and to whom.

    With the totals of those whose totals are frozen; counting the others would cost too much.
    """
    conditions: list[Document] = [status_condition(which.status, db.clock.now())]
    origin = which.origin.value if which.origin else {"$ne": OriginType.CALLBACK.value}
    conditions.append({"origin.type": origin})
    if which.reference is not None:
        conditions.append({"reference": which.reference})
    if which.created_after is not None:
        conditions.append({"created_at": {"$gt": which.created_after}})
    if behind is not None:
        conditions.append(_behind(behind))
    # A literal null is no reference: the partial index holds strings alone.
    keys = CREATED_KEYS if which.reference is None else REFERENCE_KEYS
    cursor = (
        db.notifications.find({"$and": conditions}, _SAID)
        .sort(CREATED_KEYS)
        .limit(limit)
        .hint(keys)
    )
    found = await cursor.to_list(None)
    return [(notification_value(d), frozen_progress(d)) for d in found]


def status_condition(status: NotificationStatus | None, now: datetime) -> Document:
    """What is stored of a notification that `Notification.status` calls ``status``."""
    going_on = {"cancelled_at": None, "settled_at": None}
    # Null matches what is missing, and `$lte` no null.
    begun = {"$or": [{"send_at": None}, {"send_at": {"$lte": now}}]}
    conditions: Mapping[NotificationStatus | None, Document] = {
        None: {},
        NotificationStatus.CANCELLED: {"cancelled_at": {"$ne": None}},
        NotificationStatus.SETTLED: {"cancelled_at": None, "settled_at": {"$ne": None}},
        NotificationStatus.SCHEDULED: {**going_on, "send_at": {"$gt": now}},
        NotificationStatus.EXPANDING: {**going_on, **begun, "expanded_at": None},
        NotificationStatus.SENDING: {**going_on, **begun, "expanded_at": {"$ne": None}},
    }
    return conditions[status]


def _behind(place: Place) -> Document:
    created_at, id_ = place
    return {
        "created_at": {"$lte": created_at},
        "$or": [{"created_at": {"$lt": created_at}}, {"_id": {"$lt": id_}}],
    }


@store_call
async def deliveries_of(
    db: Database, recipient_id: str, *, behind: Place | None = None, limit: int
) -> list[DeliveryView]:
    """A page of one recipient's deliveries, newest first.

    The index has no ids, which every insert would pay for: those of one millisecond are few, and
    are put in order here.
    """
    found: list[Any] = []
    earlier: Document = {}
    if behind is not None:
        same: Document = {"created_at": behind.created_at, "_id": {"$lt": behind.id}}
        found = await _deliveries(db, recipient_id, same, limit, by_id=True)
        earlier = {"created_at": {"$lt": behind.created_at}}
    if len(found) < limit:
        found += await _deliveries(db, recipient_id, earlier, limit - len(found))
        if len(found) == limit:
            found = await _with_whole_end(db, recipient_id, found)
    ordered = sorted(found, key=lambda d: (d["created_at"], d["_id"].bytes), reverse=True)
    return [delivery_view(document) for document in ordered[:limit]]


async def _with_whole_end(db: Database, recipient_id: str, found: list[Any]) -> list[Any]:
    """``found`` with all of its last millisecond: the page may have cut through it anywhere."""
    last = found[-1]["created_at"]
    whole = [d for d in found if d["created_at"] != last]
    return whole + await _deliveries(db, recipient_id, {"created_at": last}, 0, by_id=True)


async def _deliveries(
    db: Database, recipient_id: str, which: Document, limit: int, *, by_id: bool = False
) -> list[Any]:
    cursor = db.deliveries.find({"recipient_id": recipient_id, **which})
    order = ("_id", DESCENDING) if by_id else ("created_at", DESCENDING)
    return await cursor.sort([order]).limit(limit).hint(_RECIPIENT_KEYS).to_list(None)
