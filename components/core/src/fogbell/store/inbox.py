"""The inbox of one recipient: reading its items, and marking them.

An item is a delivery of channel ``inbox``: stored delivered, with the rendered ``item`` and the
time it was ``stored_at``. Every function names the recipient or gives the recipient back, so that
an item is never shown to somebody else.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from pymongo import ASCENDING, DESCENDING, ReturnDocument

from fogbell.store.database import Database, Document, store_call
from fogbell.store.indexes import INBOX

UNREAD_CAP = 100
"""Unread items are counted up to here: an app shows "99+" for it."""

UNREAD_WINDOW = 1_000
"""Unread items are counted among so many of the newest, so that a full inbox costs no more."""

_FIELDS = dict.fromkeys(
    (
        "notification_id",
        "recipient_id",
        "item",
        "stored_at",
        "seen_at",
        "read_at",
        "archived_at",
    ),
    True,
)
_UNREAD = {"read_at": None, "archived_at": None}

# The keys of the index `INBOX`; the driver's cursors take keys, not names, and MongoDB refuses a
# hint that is no index.
_KEYS = [("recipient_id", ASCENDING), ("stored_at", DESCENDING), ("_id", DESCENDING)]


class Mark(StrEnum):
    """What a recipient does to an item. ``READ`` implies ``SEEN``."""

    SEEN = "seen"
    READ = "read"
    ARCHIVE = "archive"


_MARKED: dict[Mark, tuple[str, ...]] = {
    Mark.SEEN: ("seen_at",),
    Mark.READ: ("seen_at", "read_at"),
    Mark.ARCHIVE: ("archived_at",),
}


class Position(NamedTuple):
    """Where an item stands in its inbox: by time, and by id among those of one millisecond."""

    stored_at: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class InboxItem:
    """One item as its recipient sees it. Texts are rendered; times are UTC."""

    id: UUID
    notification_id: UUID
    recipient_id: str
    title: str
    body: str
    url: str
    data: dict[str, Any]
    stored_at: datetime
    seen_at: datetime | None = None
    read_at: datetime | None = None
    archived_at: datetime | None = None

    @property
    def position(self) -> Position:
        """Where it stands."""
        return Position(self.stored_at, self.id)


@store_call
async def page(
    db: Database,
    recipient_id: str,
    *,
    before: Position | None = None,
    unread: bool = False,
    archived: bool = False,
    limit: int = 50,
) -> list[InboxItem]:
    """A recipient's items, newest first, from behind ``before``.

    ``unread`` leaves out what has been read; ``archived`` brings in what has been archived.
    """
    query = _inbox(recipient_id)
    if before is not None:
        query |= _beyond("$lt", before)
    if unread:
        query["read_at"] = None
    if not archived:
        query["archived_at"] = None
    cursor = db.deliveries.find(query, _FIELDS).sort(_KEYS[1:]).limit(limit).hint(_KEYS)
    return [_item(document) for document in await cursor.to_list(None)]


@store_call
async def since(
    db: Database,
    recipient_id: str,
    start: datetime,
    *,
    after: Position | None = None,
    limit: int = 100,
) -> list[InboxItem]:
    """What was stored from ``start`` on, oldest first; a further page from behind ``after``."""
    query = _inbox(recipient_id)
    query |= {"stored_at": {"$gte": start}} if after is None else _beyond("$gt", after)
    order = [("stored_at", ASCENDING), ("_id", ASCENDING)]
    cursor = db.deliveries.find(query, _FIELDS).sort(order).limit(limit).hint(_KEYS)
    return [_item(document) for document in await cursor.to_list(None)]


@store_call
async def by_ids(db: Database, ids: Collection[UUID]) -> list[InboxItem]:
    """The items among ``ids``, of whichever recipients, oldest first; others are left out."""
    query = {"_id": {"$in": list(ids)}, "stored_at": {"$exists": True}}
    cursor = db.deliveries.find(query, _FIELDS).hint([("_id", ASCENDING)])
    items = [_item(document) for document in await cursor.to_list(None)]
    return sorted(items, key=lambda item: item.position)


@store_call
async def unread_count(db: Database, recipient_id: str) -> int:
    """Items neither read nor archived: at most `UNREAD_CAP`, among the newest `UNREAD_WINDOW`."""
    pipeline: list[Document] = [
        {"$match": _inbox(recipient_id)},
        {"$sort": {"stored_at": DESCENDING, "_id": DESCENDING}},
        {"$limit": UNREAD_WINDOW},
        {"$match": _UNREAD},
        {"$limit": UNREAD_CAP},
        {"$count": "unread"},
    ]
    rows = await db.deliveries.aggregate(pipeline, hint=INBOX).to_list(None)
    return int(rows[0]["unread"]) if rows else 0


@store_call
async def mark(db: Database, recipient_id: str, item_id: UUID, what: Mark) -> InboxItem | None:
    """Mark one item and return it; None where the recipient has no such item.

    The time of the first mark stays, so repeating it changes nothing.
    """
    times = {name: {"$ifNull": [f"${name}", "$$NOW"]} for name in _MARKED[what]}
    document = await db.deliveries.find_one_and_update(
        {"_id": item_id} | _inbox(recipient_id),
        [{"$set": times}],
        projection=_FIELDS,
        return_document=ReturnDocument.AFTER,
        hint=[("_id", ASCENDING)],
    )
    return _item(document) if document else None


def _inbox(recipient_id: str) -> Document:
    # The index is partial on `stored_at`: without naming it, the planner may not use the index.
    return {"recipient_id": recipient_id, "stored_at": {"$exists": True}}


def _beyond(operator: str, position: Position) -> Document:
    """Behind ``position`` in the order of (stored_at, id)."""
    stored_at, item_id = position
    return {
        "stored_at": {f"{operator}e": stored_at},
        "$or": [{"stored_at": {operator: stored_at}}, {"_id": {operator: item_id}}],
    }


def _item(document: Mapping[str, Any]) -> InboxItem:
    item = document["item"]
    return InboxItem(
        id=document["_id"],
        notification_id=document["notification_id"],
        recipient_id=document["recipient_id"],
        title=item["title"],
        body=item.get("body", ""),
        url=item.get("url", ""),
        data=item.get("data", {}),
        stored_at=document["stored_at"],
        seen_at=document.get("seen_at"),
        read_at=document.get("read_at"),
        archived_at=document.get("archived_at"),
    )
