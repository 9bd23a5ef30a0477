"""The pages of a replay (protocol step 11b): settled deliveries go back, each page a transaction.

It is one with the notification: a page of a replay that has been stopped, or that another process
has finished, is never applied. A delivery remembers the replay's token, so that what dies again
meanwhile is not put back twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from pymongo import ASCENDING

from fogbell.identity import delivery_range
from fogbell.model.status import PUSH_CHANNELS, Channel, DeliveryStatus, Lane
from fogbell.store.claims import milliseconds
from fogbell.store.database import Database, Document, Session, store_call
from fogbell.store.deliveries import REPORT_AGAIN
from fogbell.store.indexes import OUTSTANDING_KEYS, undelivered
from fogbell.store.replaying import Replay, Selection
from fogbell.store.transactions import transact

PAGE = 1_000

_BY_ID = [("_id", ASCENDING)]
_OVER = ("settled_at", "reason", "not_before", "alone", "releases", "owner", "lost_owner", "chunk")
"""What belongs to the end that a replayed delivery had. `lost_leases` stays: it is tried alone."""


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

    ``grace`` is when the sweep publishes what nobody has claimed by then. Raises `ContendedError`
    where a process that died in here still holds the page.
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

    return await transact(db, both, db.handle.read_concern)


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
