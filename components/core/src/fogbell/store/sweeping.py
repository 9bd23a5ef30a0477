"""Finding what has come due, whatever the reason (protocol step 8).

One index and one query serve every kind of rescue: `sweep_at` says when a delivery must be looked
at if nothing has happened by then. The cost follows what is due, not what is stored.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pymongo

from fogbell.model.outcome import Outcome
from fogbell.model.status import OUTSTANDING, Channel, DeliveryStatus, Lane
from fogbell.store.claims import ONE_CLAIM_MORE, fence, milliseconds
from fogbell.store.database import COUNT_TIMEOUT, Database, Document, store_call
from fogbell.store.indexes import OUTSTANDING as OUTSTANDING_INDEX
from fogbell.store.indexes import SWEEP_KEYS
from fogbell.store.records import appended

# MongoDB refuses to raise 2 to an absurd power long after any cap has been reached.
_MOST_DOUBLINGS = 40


@dataclass(frozen=True, slots=True)
class Due:
    """One page of what is due in a lane and channel, by what has to be done about it.

    ``together`` can be released in batches, ``alone`` one id a message (they have lost a lease),
    ``overdue`` are leases that have ended, ``chunked`` those in a chunk, by its token: who has its
    lease has them. Of the first two ``failed`` counts those that were failed, ``deferred`` those
    that a worker put back untried. ``last`` is the newest ``sweep_at`` seen; ``full`` tells that
    there may be more.
    """

    together: list[UUID] = field(default_factory=list)
    alone: list[UUID] = field(default_factory=list)
    overdue: list[UUID] = field(default_factory=list)
    chunked: dict[str, list[UUID]] = field(default_factory=dict)
    failed: int = 0
    deferred: int = 0
    last: datetime | None = None
    full: bool = False


@store_call
async def due_page(
    db: Database,
    lane: Lane,
    channel: Channel,
    *,
    since: datetime | None,
    until: datetime,
    limit: int,
    leases: bool = True,
) -> Due:
    """The oldest ``limit`` deliveries due by ``until``; ``since`` bounds the scan from below.

    Without ``leases`` those under a lease are left out: none may expire at present.
    """
    query = _due(lane, channel, since, until)
    if not leases:
        query["status"] = {"$ne": DeliveryStatus.SENDING.value}
    cursor = (
        db.deliveries.find(
            query,
            {"status": True, "reason": True, "lost_leases": True, "sweep_at": True, "chunk": True},
        )
        .sort("sweep_at", 1)
        .limit(limit)
        .hint(SWEEP_KEYS)
    )
    return _sorted_out(await cursor.to_list(None), limit)


@store_call
async def overdue_leases(
    db: Database,
    lane: Lane,
    channel: Channel,
    *,
    since: datetime | None,
    until: datetime,
    limit: int,
) -> list[UUID]:
    """The oldest ``limit`` leases that ended from ``since`` to ``until``.

    Whatever else is due in between is read as well: without ``since`` that is the whole backlog.
    """
    query = _due(lane, channel, since, until) | {"status": DeliveryStatus.SENDING.value}
    cursor = (
        db.deliveries.find(query, {"_id": True}).sort("sweep_at", 1).limit(limit).hint(SWEEP_KEYS)
    )
    return [document["_id"] for document in await cursor.to_list(None)]


def _due(lane: Lane, channel: Channel, since: datetime | None, until: datetime) -> Document:
    """The filter for what is due in a queue ``until`` a time; ``since`` bounds it from below."""
    window = {"$lte": until} if since is None else {"$gte": since, "$lte": until}
    return {"lane": lane.value, "channel": channel.value, "sweep_at": window}


def _sorted_out(documents: Sequence[Mapping[str, Any]], limit: int) -> Due:
    due = Due(
        last=documents[-1]["sweep_at"] if documents else None,
        full=len(documents) == limit,
        failed=sum(d["status"] == DeliveryStatus.FAILED.value for d in documents),
        deferred=sum(
            d["status"] == DeliveryStatus.PENDING.value and "reason" in d for d in documents
        ),
    )
    for document in documents:
        if document["status"] == DeliveryStatus.SENDING.value:
            due.overdue.append(document["_id"])
        elif "chunk" in document:
            due.chunked.setdefault(document["chunk"], []).append(document["_id"])
        elif document.get("lost_leases"):
            due.alone.append(document["_id"])
        else:
            due.together.append(document["_id"])
    return due


@store_call
async def move_forward(
    db: Database,
    ids: Sequence[UUID],
    grace: timedelta,
    cap: timedelta,
    leased: Collection[str] = (),
) -> int:
    """Move ``sweep_at`` of what is still due ahead of its publishing; returns how many moved.

    The grace doubles at each release, or a backlog of a million would be republished every grace.
    Two sweeps at once do no harm: the second finds nothing due, and a message too many finds
    nothing to claim. Out of their chunks are taken all but those of ``leased``; of the others
    nobody can take the lease any more (`fogbell.store.chunks.void`).
    """
    in_chunk = {"$in": ["$chunk", {"$literal": list(leased)}]}
    result = await db.deliveries.update_many(
        {
            "_id": {"$in": list(ids)},
            "status": {"$in": [DeliveryStatus.PENDING.value, DeliveryStatus.FAILED.value]},
            "$expr": {"$lte": ["$sweep_at", "$$NOW"]},
        },
        [
            {
                "$set": {
                    "sweep_at": {"$add": ["$$NOW", _doubled(grace, cap)]},
                    "releases": {"$add": [_releases(), {"$cond": [in_chunk, 0, 1]}]},
                    "chunk": {"$cond": [in_chunk, "$chunk", "$$REMOVE"]},
                }
            }
        ],
        hint=[("_id", 1)],
    )
    return int(result.modified_count)


def _releases() -> Document:
    return {"$ifNull": ["$releases", 0]}


def _doubled(grace: timedelta, cap: timedelta) -> Document:
    doublings = {"$min": [_releases(), _MOST_DOUBLINGS]}
    span = {"$multiply": [milliseconds(grace), {"$pow": [2, doublings]}]}
    # The cap first: a long grace doubled so often is beyond what a long holds.
    return {"$toLong": {"$min": [milliseconds(cap), span]}}


@store_call
async def expire_leases(
    db: Database,
    ids: Sequence[UUID],
    grace: timedelta,
    lost_alone_limit: int,
    chunk: str | None = None,
) -> int:
    """End the leases of ``ids`` that are over: failed, with an attempt that says so.

    Where they were leased with their ``chunk``, it is that lease which is over.
    The owner moves to ``lost_owner``, so that a late *accepted* is still recognised. A lost lease
    is no attempt of the budget; what has lost ``lost_alone_limit`` of them while it was tried
    alone is dead, since it is likely to be what ends the workers. Returns how many expired.
    """
    lost_alone = {
        "$add": [{"$ifNull": ["$lost_alone", 0]}, {"$cond": [{"$ifNull": ["$alone", False]}, 1, 0]}]
    }
    poisonous = {"$gte": [lost_alone, lost_alone_limit]}
    entry = {"provider": "none", "outcome": Outcome.LEASE_EXPIRED.value}
    fields: Document = {
        "status": {"$cond": [poisonous, DeliveryStatus.DEAD.value, DeliveryStatus.FAILED.value]},
        "reason": {"$cond": [poisonous, "lost_leases", Outcome.LEASE_EXPIRED.value]},
        "lost_alone": lost_alone,
        "lost_leases": {"$add": [{"$ifNull": ["$lost_leases", 0]}, 1]},
        "lost_owner": "$owner" if chunk is None else {"$literal": chunk},
        "not_before": "$$NOW",
        "settled_at": {"$cond": [poisonous, "$$NOW", "$$REMOVE"]},
        "sweep_at": {"$cond": [poisonous, "$$REMOVE", {"$add": ["$$NOW", milliseconds(grace)]}]},
        **appended(entry),
    }
    if chunk is not None:
        fields["claims"] = ONE_CLAIM_MORE
    result = await db.deliveries.update_many(
        {"_id": {"$in": list(ids)}, **_held(chunk)},
        [{"$set": fields}, {"$unset": ["owner", "alone", "chunk"]}],
        hint=[("_id", 1)],
    )
    return int(result.modified_count)


def _held(chunk: str | None) -> Document:
    if chunk is not None:
        return fence(chunk, chunked=True)
    over = {"$expr": {"$lte": ["$sweep_at", "$$NOW"]}}
    return {"status": DeliveryStatus.SENDING.value, **over}


@store_call
async def oldest_due(
    db: Database, lane: Lane, channel: Channel, since: datetime | None, until: datetime
) -> datetime | None:
    """The oldest ``sweep_at`` of a lane and channel from ``since`` to ``until``, or None.

    Without ``since`` it begins where the index does: among keys of what has just been settled by
    the hundred thousand, that takes as long as to pass over them.
    """
    document = await db.deliveries.find_one(
        _due(lane, channel, since, until),
        {"sweep_at": True},
        sort=[("sweep_at", 1)],
        hint=SWEEP_KEYS,
    )
    return document["sweep_at"] if document else None


@store_call
async def outstanding(db: Database) -> dict[DeliveryStatus, int]:
    """How many deliveries are not settled, by status: a scan of an index, 0.3 s for a million."""
    words = sorted(status.value for status in OUTSTANDING)
    pipeline: list[Document] = [
        {"$match": {"status": {"$in": words}}},
        {"$group": {"_id": "$status", "count": {"$sum": 1}}},
    ]
    counts = dict.fromkeys(OUTSTANDING, 0)
    with pymongo.timeout(COUNT_TIMEOUT):
        async for row in db.deliveries.aggregate(pipeline, hint=OUTSTANDING_INDEX):
            counts[DeliveryStatus(row["_id"])] = row["count"]
    return counts
