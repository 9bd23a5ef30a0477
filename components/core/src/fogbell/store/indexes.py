"""The indexes, each with the question it answers. Every one is paid at every write.

Sources for what the planner needs: MongoDB manual, "Partial Indexes".
"""

from collections.abc import Sequence
from typing import Any

import pymongo
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import OperationFailure

from fogbell.model.notification import OriginType
from fogbell.model.status import DeliveryStatus
from fogbell.store.database import Database, store_call

SWEEP = "sweep"
OUTSTANDING = "outstanding_by_id"
RECIPIENT = "recipient"
INBOX = "inbox"
DUE = "due"
OPEN_RUNS = "open_runs"
PURGE = "purge"
CREATED = "created"
REFERENCE = "reference"
GROUPS = "groups"
REPORT = "report"
APP = "app"

NOT_DELIVERED = [s.value for s in DeliveryStatus if s is not DeliveryStatus.DELIVERED]


def undelivered(words: Sequence[str]) -> dict[str, Any]:
    """The filter for some of the statuses of `OUTSTANDING`.

    The index's own list has to stand beside them: MongoDB 6.0 does not see that a part of the list
    is within it, and would scan the index of all notifications for want of bounds.
    """
    return {"$and": [{"status": {"$in": NOT_DELIVERED}}, {"status": {"$in": list(words)}}]}


def _index(name: str, *keys: tuple[str, int], partial: dict[str, Any] | None = None) -> IndexModel:
    if partial is None:
        return IndexModel(list(keys), name=name)
    return IndexModel(list(keys), name=name, partialFilterExpression=partial)


REPORT_KEYS = [("settled_at", ASCENDING)]
_REPORT = _index(REPORT, *REPORT_KEYS, partial={"report": True, "settled_at": {"$exists": True}})

OUTSTANDING_KEYS = [
    ("notification_id", ASCENDING),
    ("status", ASCENDING),
    ("channel", ASCENDING),
    ("_id", ASCENDING),
]
SWEEP_KEYS = [("lane", ASCENDING), ("channel", ASCENDING), ("sweep_at", ASCENDING)]

DELIVERIES = [
    # What is due? Lane and channel lead, so that a deep bulk queue never starves the rest.
    _index(
        SWEEP,
        *SWEEP_KEYS,
        partial={"sweep_at": {"$exists": True}},
    ),
    # How far is this notification? Delivered ones are counted as "expected minus the others".
    # And which are dead? The ids are there for pages, or one would be a scan of the whole run.
    _index(
        OUTSTANDING,
        *OUTSTANDING_KEYS,
        partial={"status": {"$in": NOT_DELIVERED}},
    ),
    # Did Ann get it?
    _index(RECIPIENT, ("recipient_id", ASCENDING), ("created_at", DESCENDING)),
    # What is in Ann's inbox, newest first; `stored_at` exists on inbox items alone.
    _index(
        INBOX,
        ("recipient_id", ASCENDING),
        ("stored_at", DESCENDING),
        ("_id", DESCENDING),
        partial={"stored_at": {"$exists": True}},
    ),
    # Of which is the app still to be told? Apps without endpoints do not pay for it.
    _REPORT,
]

CREATED_KEYS = [("created_at", DESCENDING), ("_id", DESCENDING)]
REFERENCE_KEYS = [("reference", ASCENDING), *CREATED_KEYS]
OPEN_RUNS_KEYS = [("origin.app", ASCENDING)]
OPEN_RUNS_FILTER: dict[str, Any] = {
    "origin.type": OriginType.CAMPAIGN.value,
    "sweep_at": {"$exists": True},
}

NOTIFICATIONS = [
    # Which wait for their time, for an expansion to be taken up, or for their totals to be frozen?
    _index(DUE, ("sweep_at", ASCENDING), partial={"sweep_at": {"$exists": True}}),
    # Which runs of this namespace's Campaigns go on? Each resync asks; by `DUE` it would walk all
    # that anybody has scheduled. Nothing but a run that goes on pays for it.
    _index(OPEN_RUNS, *OPEN_RUNS_KEYS, partial=OPEN_RUNS_FILTER),
    # Which are past their retention?
    _index(PURGE, ("purge_at", ASCENDING), partial={"purge_at": {"$exists": True}}),
    # What was posted lately? Notifications are few beside their deliveries.
    _index(CREATED, *CREATED_KEYS),
    # What became of order A-1? Posts without a reference do not pay for it.
    _index(REFERENCE, *REFERENCE_KEYS, partial={"reference": {"$exists": True}}),
    # As for deliveries.
    _REPORT,
]

GROUPS_KEYS = [("groups", ASCENDING), ("_id", ASCENDING)]
RECIPIENTS = [
    # Who is in these groups, in the order in which an expansion walks them?
    _index(GROUPS, *GROUPS_KEYS),
]

API_KEYS = [
    # Which key is this? Only the hash is kept.
    IndexModel([("hash", ASCENDING)], name="hash", unique=True),
]

ENDPOINTS = [
    # Which are this app's, in the order of their ids?
    _index(APP, ("app", ASCENDING), ("_id", ASCENDING)),
]

RATE_LIMITS = [
    # Which limits has nobody used lately? MongoDB deletes them. No hot collection: a document is
    # written once for many grants.
    IndexModel([("expires_at", ASCENDING)], name="expires_at", expireAfterSeconds=0),
]

CHUNKS = [
    # Which leases are over? Ended ones are deleted: there are as many as batches under way.
    _index("until", ("until", ASCENDING), partial={"until": {"$exists": True}}),
    # Which can be forgotten? What is left of a chunk by then can be taken, or made void, again.
    IndexModel([("void_at", ASCENDING)], name="void_at", expireAfterSeconds=7 * 24 * 3600),
]

INDEX_NOT_FOUND = 27
REPLACED = ("outstanding",)
"""Indexes of deliveries that others have replaced: they would be paid for nothing."""


NO_LIMIT = 0.0
"""For `pymongo.timeout`: its None would stand for the limit that every operation has."""


@store_call
async def ensure_indexes(db: Database, within: float = NO_LIMIT) -> None:
    """Create what is missing, drop what is replaced; returns at once where nothing is.

    A large collection takes as long as it takes: MongoDB gives up a build whose client does not
    wait for it, and the next one would begin at nothing. ``within``, in seconds, is for a process
    that has to go on; it waits for the build of another one in vain, and does it no harm.
    """
    with pymongo.timeout(within):
        await _ensure(db)


async def _ensure(db: Database) -> None:
    await db.deliveries.create_indexes(DELIVERIES)
    await _drop_replaced(db)
    await db.notifications.create_indexes(NOTIFICATIONS)
    await db.recipients.create_indexes(RECIPIENTS)
    await db.api_keys.create_indexes(API_KEYS)
    await db.rate_limits.create_indexes(RATE_LIMITS)
    await db.endpoints.create_indexes(ENDPOINTS)
    await db.chunks.create_indexes(CHUNKS)


async def _drop_replaced(db: Database) -> None:
    there = await db.deliveries.index_information()
    for name in set(REPLACED) & there.keys():
        try:
            await db.deliveries.drop_index(name)
        except OperationFailure as error:
            # Another process may have dropped it first.
            if error.code != INDEX_NOT_FOUND:
                raise
