"""What MongoDB holds at the end, read from the documents themselves and not through Fogbell."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import pymongo

from fogbell.model.status import Channel, DeliveryStatus
from fogbell_local.demo.verdict import Record


def records(uri: str, database: str, notifications: Sequence[UUID]) -> list[Record]:
    """Every delivery of ``notifications``. Raises PyMongoError."""
    with pymongo.MongoClient[dict[str, Any]](uri, uuidRepresentation="standard") as client:
        found = client[database]["deliveries"].find(
            {"notification_id": {"$in": list(notifications)}}
        )
        return [_record(document) for document in found]


def drop(uri: str, database: str) -> None:
    """Delete the demo's database: the server may be somebody else's. Raises PyMongoError."""
    with pymongo.MongoClient[dict[str, Any]](uri) as client:
        client.drop_database(database)


def _record(document: Mapping[str, Any]) -> Record:
    item = document.get("item") or {}
    last = (document.get("attempts") or [{}])[-1]
    return Record(
        id=document["_id"],
        channel=Channel(document["channel"]),
        status=DeliveryStatus(document["status"]),
        lost_leases=document.get("lost_leases", 0),
        # Without `stored_at` no inbox would show it.
        in_inbox=bool(item.get("title")) and "stored_at" in document,
        provider=last.get("provider"),
    )
