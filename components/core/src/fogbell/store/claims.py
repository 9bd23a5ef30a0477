"""Taking deliveries under a lease, and giving them back unsent (protocol steps 3 and 4).

Every claim has a fresh token, kept as the delivery's ``owner``: the fence for all later writes.
Time is MongoDB's (``$$NOW``), never this process's. What belongs to a chunk is leased with it
(`fogbell.store.chunks`) and cannot be claimed by itself.
"""

import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from pymongo import ReturnDocument

from fogbell.model.delivery import Claimed
from fogbell.model.status import CLAIMABLE, Channel, DeliveryStatus, Lane
from fogbell.store.database import Database, Document, store_call

ONE_CLAIM_MORE: Document = {"$add": ["$claims", 1]}

_CLAIMABLE = sorted(s.value for s in CLAIMABLE)
CLAIMED_FIELDS = dict.fromkeys(
    (
        "notification_id",
        "recipient_id",
        "channel",
        "lane",
        "created_at",
        "attempt_count",
        "lost_leases",
        "replays",
        "replayed_at",
        "inline",
        "doubtful",
    ),
    True,
)
"""What is read of a delivery to make a `Claimed` of it."""


def new_token() -> str:
    """A token for one claim: 64 random bits, never used twice."""
    return secrets.token_hex(8)


@store_call
async def claim(
    db: Database, ids: Sequence[UUID], token: str, lease: timedelta, *, alone: bool = False
) -> list[Claimed]:
    """Claim those of ``ids`` that are pending or failed and whose time has come.

    What is not returned is someone else's, settled, or early. After an error the claim may have
    been applied: the caller acknowledges nothing and gives the token back with `release`.
    ``alone`` marks a delivery that is tried by itself because it has lost a lease before. Without
    it such a delivery is left alone: the message of a batch that has ended a worker comes again,
    and would end the next one with all that is in it.
    """
    if len(ids) == 1:
        return await _claim_one(db, ids[0], token, lease, alone=alone)
    query = _due({"$in": list(ids)}, alone=alone)
    update = _lease_update(token, lease, alone=alone)
    result = await db.deliveries.update_many(query, update)
    if result.modified_count == 0:
        return []
    cursor = db.deliveries.find({"_id": {"$in": list(ids)}, "owner": token}, CLAIMED_FIELDS)
    return [claimed_value(document, token) for document in await cursor.to_list(None)]


async def _claim_one(
    db: Database, delivery_id: UUID, token: str, lease: timedelta, *, alone: bool
) -> list[Claimed]:
    document = await db.deliveries.find_one_and_update(
        _due(delivery_id, alone=alone),
        _lease_update(token, lease, alone=alone),
        projection=CLAIMED_FIELDS,
        return_document=ReturnDocument.AFTER,
    )
    return [claimed_value(document, token)] if document else []


def _due(ids: object, *, alone: bool) -> Document:
    # A missing `not_before` sorts below every date, so it counts as due.
    due: Document = {
        "_id": ids,
        "status": {"$in": _CLAIMABLE},
        "chunk": {"$exists": False},
        "$expr": {"$lte": ["$not_before", "$$NOW"]},
    }
    return due if alone else due | {"lost_leases": {"$exists": False}}


def _lease_update(token: str, lease: timedelta, *, alone: bool) -> list[Document]:
    return [
        {
            "$set": {
                "status": DeliveryStatus.SENDING.value,
                "owner": token,
                "claims": ONE_CLAIM_MORE,
                "sweep_at": {"$add": ["$$NOW", milliseconds(lease)]},
                "alone": alone or "$$REMOVE",
            }
        }
    ]


def milliseconds(span: timedelta) -> int:
    """A span as MongoDB adds it to a date."""
    return int(span / timedelta(milliseconds=1))


def claimed_value(document: Mapping[str, Any], token: str, *, chunked: bool = False) -> Claimed:
    """What the holder of ``token`` knows of a stored delivery."""
    return Claimed(
        id=document["_id"],
        token=token,
        notification_id=document["notification_id"],
        recipient_id=document["recipient_id"],
        channel=Channel(document["channel"]),
        lane=Lane(document["lane"]),
        created_at=document["created_at"],
        attempt_count=document["attempt_count"],
        lost_leases=document.get("lost_leases", 0),
        replays=document.get("replays", 0),
        replayed_at=document.get("replayed_at"),
        inline=document.get("inline"),
        doubtful=document.get("doubtful"),
        chunked=chunked,
    )


def fence(token: str, *, chunked: bool) -> Document:
    """What is true of a delivery as long as it is held under ``token``, and not after."""
    if chunked:
        return {"chunk": token, "status": DeliveryStatus.PENDING.value}
    return {"owner": token, "status": DeliveryStatus.SENDING.value}


@store_call
async def release(
    db: Database,
    ids: Sequence[UUID],
    token: str,
    *,
    after: timedelta = timedelta(0),
    chunked: bool = False,
) -> int:
    """Give back what ``token`` holds of ``ids``, unsent: no attempt is counted.

    What is ``chunked`` leaves the chunk that ``token`` stands for. The sweep looks at them again
    ``after`` that time, unless a message reaches a worker before. Returns how many were given back.
    """
    result = await db.deliveries.update_many(
        {"_id": {"$in": list(ids)}, **fence(token, chunked=chunked)},
        [
            {
                "$set": {
                    "status": DeliveryStatus.PENDING.value,
                    "sweep_at": {"$add": ["$$NOW", milliseconds(after)]},
                }
            },
            {"$unset": ["owner", "alone", "chunk"]},
        ],
    )
    return int(result.modified_count)
