"""The record of a peer, as documents and updates: the same for PyMongo's two interfaces. Pure.

It has less than Fogbell's: the address is kept in it, so that nobody looks a recipient up, and it
has one index besides its id's, for what is to be looked at again.
"""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from pymongo import ASCENDING, IndexModel, WriteConcern

Document = dict[str, Any]

PAGE = 1000
DURABLE = WriteConcern("majority", j=True)
LEASE = timedelta(seconds=60)
DUE = IndexModel(
    [("sweep_at", ASCENDING)], name="due", partialFilterExpression={"sweep_at": {"$exists": True}}
)


def pending(recipient: Document, notification: str, now: datetime) -> Document:
    """A new record of one recipient."""
    return {
        "_id": uuid4(),
        "notification_id": notification,
        "recipient_id": recipient["_id"],
        "address": recipient["addresses"]["email"],
        "name": recipient["attributes"]["first_name"],
        "status": "pending",
        "created_at": now,
        "sweep_at": now + LEASE / 2,
    }


def claim(id_: UUID) -> tuple[Document, Document]:
    """Query and update that make ``id_`` this process's, if it is nobody's."""
    lease = {"owner": secrets.token_hex(8), "sweep_at": datetime.now(UTC) + LEASE}
    return {"_id": id_, "status": "pending"}, {"$set": {"status": "sending", **lease}}


def record(claimed: Document, code: str) -> tuple[Document, Document]:
    """Query and update that settle what `claim` has taken, unless somebody else has it by now."""
    attempt = {"outcome": "accepted", "code": code, "finished_at": datetime.now(UTC)}
    return (
        {"_id": claimed["_id"], "owner": claimed["owner"], "status": "sending"},
        {
            "$set": {"status": "delivered"},
            "$currentDate": {"settled_at": True},
            "$push": {"attempts": attempt},
            "$unset": {"sweep_at": True},
        },
    )
