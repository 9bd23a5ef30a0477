"""Leases on chunks: what a bulk expansion publishes in one message is claimed by one write.

A lease on each delivery writes each anew, and moves it within two indexes. So deliveries that are
inserted together carry the token of their chunk, and whoever works on the message takes the lease
on that token: one small document, which nobody else can insert. The deliveries stay ``pending``
until they are recorded; ``chunk`` is what records are fenced by, and every write that moves a
delivery on removes it. A delivery without it is claimed by itself (`fogbell.store.claims`).

The token is the same for whoever holds the chunk after one another. So a lease is ended (`end`)
only once all that was begun under it is recorded, and is never extended. When its time is over the
sweep takes it over (`seize`) and ends what is left of it, as it does with claims. What has to be
had by itself before that (the sweep publishes it again, its notification is cancelled) is taken
out of a chunk only once nobody can take its lease any more (`void`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from fogbell.model.delivery import Claimed
from fogbell.model.status import Channel, Lane
from fogbell.store.claims import CLAIMED_FIELDS, claimed_value, fence, milliseconds
from fogbell.store.database import Database, store_call
from fogbell.store.deliveries import duplicates


@dataclass(frozen=True, slots=True)
class Chunk:
    """Deliveries of one lane and channel that are leased together under ``token``."""

    token: str
    lane: Lane
    channel: Channel
    ids: Sequence[UUID]


@store_call
async def take(db: Database, chunk: Chunk, holder: str, lease: timedelta) -> list[Claimed] | None:
    """Take the lease on ``chunk`` and read what is left of it; None where somebody was first.

    ``holder`` is fresh for each call. As with a claim, an error does not mean that it was not
    taken: give it back with `end` before the next try.
    """
    fields = {
        "lane": chunk.lane.value,
        "channel": chunk.channel.value,
        "ids": {"$literal": list(chunk.ids)},
        "until": {"$add": ["$$NOW", milliseconds(lease)]},
    }
    try:
        # Whoever else has inserted it holds it, has held it, or has made it void.
        await db.chunks.update_one(
            {"_id": chunk.token, "holder": holder}, [{"$set": fields}], upsert=True
        )
    except DuplicateKeyError:
        return None
    cursor = db.deliveries.find(_left(chunk), CLAIMED_FIELDS)
    documents = await cursor.to_list(None)
    return [claimed_value(document, chunk.token, chunked=True) for document in documents]


@store_call
async def end(db: Database, token: str, holder: str) -> None:
    """End the lease of ``holder``. What is not recorded is pending, and can be taken again.

    So it must not be called while a send under it may still be recorded.
    """
    await db.chunks.delete_one({"_id": token, "holder": holder})


@store_call
async def void(db: Database, tokens: Collection[str]) -> set[str]:
    """See to it that nobody takes ``tokens`` any more; returns those that somebody has taken.

    Of all others the deliveries can be taken out: they are nobody's.
    """
    if not tokens:
        return set()
    # Of two who insert a void at the same moment one is refused, too. The second time it finds it.
    refused = await _void(db, list(tokens))
    return set(await _void(db, refused)) if refused else set()


async def _void(db: Database, tokens: list[str]) -> list[str]:
    """Those that are there, and not void (yet)."""
    updates = [
        UpdateOne(
            {"_id": token, "holder": {"$exists": False}},
            [{"$set": {"void_at": {"$ifNull": ["$void_at", "$$NOW"]}}}],
            upsert=True,
        )
        for token in tokens
    ]
    try:
        await db.chunks.bulk_write(updates, ordered=False)
    except BulkWriteError as error:
        return [tokens[index] for index in duplicates(error)]
    return []


@dataclass(frozen=True, slots=True)
class Overdue:
    """A lease that was not ended in time, and who held it."""

    chunk: Chunk
    holder: str


@store_call
async def overdue(db: Database, limit: int) -> list[Overdue]:
    """Up to ``limit`` leases whose time is over, the oldest first."""
    cursor = (
        db.chunks.find(
            # The first bounds the scan, the second is what counts: MongoDB's time.
            {"until": {"$lte": db.clock.now()}, "$expr": {"$lte": ["$until", "$$NOW"]}}
        )
        .sort("until", 1)
        .limit(limit)
    )
    return [
        Overdue(
            Chunk(d["_id"], Lane(d["lane"]), Channel(d["channel"]), d["ids"]), holder=d["holder"]
        )
        for d in await cursor.to_list(None)
    ]


@store_call
async def seize(db: Database, lease: Overdue, holder: str) -> bool:
    """Take an overdue lease over, so that nobody else ends it, or has it after its end.

    False where its holder has ended it meanwhile. It stays overdue: should this process end, the
    next sweep takes it over in turn.
    """
    result = await db.chunks.update_one(
        {
            "_id": lease.chunk.token,
            "holder": lease.holder,
            "$expr": {"$lte": ["$until", "$$NOW"]},
        },
        {"$set": {"holder": holder}},
    )
    return bool(result.matched_count)


@store_call
async def unrecorded(db: Database, chunk: Chunk) -> list[UUID]:
    """What of ``chunk`` nothing has been recorded of."""
    cursor = db.deliveries.find(_left(chunk), {"_id": True})
    return [document["_id"] for document in await cursor.to_list(None)]


def _left(chunk: Chunk) -> dict[str, object]:
    return {"_id": {"$in": list(chunk.ids)}, **fence(chunk.token, chunked=True)}
