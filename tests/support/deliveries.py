"""Deliveries for tests of the store: made, inserted, aged, claimed."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from fogbell.identity import delivery_id, uuid7
from fogbell.model.delivery import Claimed, NewDelivery
from fogbell.model.outcome import Attempt, Outcome, Reply
from fogbell.model.status import Channel, Lane
from fogbell.store import chunks, claims, deliveries
from fogbell.store.chunks import Chunk
from fogbell.store.database import Database, Document

LEASE = timedelta(seconds=60)
GRACE = timedelta(seconds=30)
STARTED = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def new_delivery(
    notification: UUID | None = None,
    recipient: str = "ann",
    channel: Channel = Channel.EMAIL,
    lane: Lane = Lane.TRANSACTIONAL,
    **more: Any,
) -> NewDelivery:
    """One delivery that has not been stored yet, ``pending`` unless ``more`` says otherwise."""
    notification = notification or uuid7()
    return NewDelivery(
        delivery_id(notification, recipient, channel),
        notification,
        recipient,
        channel,
        lane,
        **more,
    )


async def insert_pending(db: Database, number: int = 1, **fields: Any) -> list[UUID]:
    """Insert ``number`` deliveries of one notification; ``fields`` go to `new_delivery`."""
    notification = fields.pop("notification", None) or uuid7()
    new = [new_delivery(notification, f"r{n}", **fields) for n in range(number)]
    await deliveries.insert(db, new, GRACE)
    return [delivery.id for delivery in new]


async def insert_chunk(db: Database, number: int = 5, token: str = "chunk") -> Chunk:
    """Insert ``number`` deliveries of the bulk lane that are leased together."""
    ids = await insert_pending(db, number, lane=Lane.BULK, chunk=token)
    return Chunk(token, Lane.BULK, Channel.EMAIL, ids)


async def take(db: Database, chunk: Chunk, holder: str = "holder") -> list[Claimed]:
    """Take the lease on ``chunk``, which has to be free."""
    taken = await chunks.take(db, chunk, holder, LEASE)
    assert taken is not None
    return taken


async def outlast(db: Database, chunk: Chunk) -> None:
    """Make the lease on ``chunk`` a second too old."""
    over = {"$subtract": ["$$NOW", 1000]}
    await db.chunks.update_one({"_id": chunk.token}, [{"$set": {"until": over}}])


async def claim_all(
    db: Database, ids: Iterable[UUID], token: str = "holder", **more: Any
) -> dict[UUID, Claimed]:
    """Claim ``ids``, all of which have to be claimable."""
    wanted = list(ids)
    claimed = await claims.claim(db, wanted, token, LEASE, **more)
    assert {c.id for c in claimed} == set(wanted)
    return {c.id: c for c in claimed}


async def documents(db: Database, ids: Iterable[UUID]) -> dict[UUID, Document]:
    """The stored documents of ``ids``, whole."""
    cursor = db.deliveries.find({"_id": {"$in": list(ids)}})
    return {document["_id"]: dict(document) async for document in cursor}


async def document(db: Database, delivery: UUID) -> Document:
    """The stored document of one delivery, which has to exist."""
    return (await documents(db, [delivery]))[delivery]


async def age(db: Database, ids: Iterable[UUID], **fields: timedelta) -> None:
    """Move each of ``fields`` (``sweep_at``, ``not_before``) to that long before now."""
    moved = {
        name: {"$subtract": ["$$NOW", claims.milliseconds(span)]} for name, span in fields.items()
    }
    await db.deliveries.update_many({"_id": {"$in": list(ids)}}, [{"$set": moved}])


async def lose_leases(db: Database, ids: Iterable[UUID]) -> None:
    """Make the leases of ``ids`` a second too old."""
    await age(db, ids, sweep_at=timedelta(seconds=1))


def attempt(outcome: Outcome = Outcome.ACCEPTED, **reply: Any) -> Attempt:
    """One try of a second's length; ``reply`` are fields of the `Reply`."""
    provider = reply.pop("provider", "relay-a")
    finished = STARTED + timedelta(seconds=1)
    return Attempt(provider, STARTED, finished, Reply(outcome, **reply))
