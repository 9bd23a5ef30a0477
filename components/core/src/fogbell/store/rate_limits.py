"""Shared rate limits: one small document a budget, written once for many grants.

Time is MongoDB's (``$$NOW``): what processes think of the hour plays no part.
"""

from collections.abc import Mapping
from typing import Any

import pymongo
from pymongo import ReturnDocument

from fogbell.model.rate_limit import SLOTS, Ask, Budget, Granted
from fogbell.store.database import Database, Document, store_call

CALL_TIMEOUT = 1.0
"""Seconds: who waits for a grant would rather know that MongoDB is away."""

AHEAD_SHARE = 4
"""Of what is left after those who wait, at most a quarter is given ahead of need."""

CLOCK_SLACK_MS = 15_000
"""Bookings further ahead than that were made by a primary with another clock: they are dropped, or
one that was an hour fast would close the budget for an hour."""

KEEP_MS = 60_000
"""For how long a document outlives its last booking."""

Expression = dict[str, Any]


@store_call
async def take(db: Database, budget: Budget, ask: Ask) -> Granted:
    """Settle earlier grants and take new ones, in one write (majority, journaled).

    After `StoreUnavailableError` the call may have been applied: what it asked for then stays
    booked until it expires, and what it settled must not be settled again.
    """
    with pymongo.timeout(CALL_TIMEOUT):
        document = await db.rate_limits.find_one_and_update(
            {"_id": document_id(budget)},
            _pipeline(budget, ask),
            # The clock of this very call: a refusal writes nothing that could tell it.
            projection={"bookings": 1, "granted": 1, "booked": 1, "now": {"$toLong": "$$NOW"}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
    return _value(document)


def document_id(budget: Budget) -> str:
    """Slots of different lengths cannot be compared: another window is another document."""
    return f"{budget.name}|{budget.slot_ms}"


def _value(document: Mapping[str, Any]) -> Granted:
    return Granted(
        grants=int(document["granted"]),
        booked=int(document["booked"]),
        now_ms=int(document["now"]),
        bookings=tuple((int(b["slot"]), int(b["n"])) for b in document["bookings"]),
    )


def _pipeline(budget: Budget, ask: Ask) -> list[Document]:
    settled = [{"slot": slot, "n": n} for slot, n in ask.settled]
    all_bookings = {"$concatArrays": [{"$ifNull": ["$bookings", []]}, {"$literal": settled}]}
    return [
        {"$set": {"bookings": _that_count(all_bookings, budget)}},
        {"$set": {"bookings": _merged("$bookings")}},
        {"$set": {"granted": _granted(budget, ask)}},
        {"$set": _booked(budget)},
    ]


def _now_slot(budget: Budget) -> Expression:
    return {"$toLong": {"$floor": {"$divide": [{"$toLong": "$$NOW"}, budget.slot_ms]}}}


def _that_count(bookings: Expression, budget: Budget) -> Expression:
    """Those of this window, and those that may still be used."""
    furthest = budget.hold_slots + CLOCK_SLACK_MS // budget.slot_ms + 1
    counts = {
        "$and": [
            {"$gte": ["$$this.slot", {"$subtract": ["$$now", SLOTS]}]},
            {"$lte": ["$$this.slot", {"$add": ["$$now", furthest]}]},
        ]
    }
    # "in" sees "now" only in a $let; the variable of $filter is "this" unless named.
    return {
        "$let": {
            "vars": {"now": _now_slot(budget)},
            "in": {"$filter": {"input": bookings, "cond": counts}},
        }
    }


def _merged(bookings: str) -> Expression:
    """One entry a slot, and none for nothing."""
    same_slot = {"$filter": {"input": bookings, "as": "b", "cond": {"$eq": ["$$b.slot", "$$slot"]}}}
    numbers = {"$map": {"input": same_slot, "as": "b", "in": "$$b.n"}}
    entries = {
        "$map": {
            "input": {"$setUnion": [f"{bookings}.slot"]},
            "as": "slot",
            "in": {"slot": "$$slot", "n": {"$sum": numbers}},
        }
    }
    return {"$filter": {"input": entries, "cond": {"$gt": ["$$this.n", 0]}}}


def _granted(budget: Budget, ask: Ask) -> Expression:
    left = {"$max": [0, {"$subtract": [budget.limit, {"$sum": "$bookings.n"}]}]}
    spare = {"$max": [0, {"$subtract": ["$$left", ask.need]}]}
    ahead = {"$toLong": {"$floor": {"$divide": [spare, AHEAD_SHARE]}}}
    # Once those who wait are not all served, nothing is left over for what comes later.
    served = {"$min": [ask.need, {"$subtract": ["$$left", {"$mod": ["$$left", ask.each]}]}]}
    grants = {"$add": [served, {"$min": [ask.ahead, ahead]}]}
    return {"$let": {"vars": {"left": left}, "in": grants}}


def _booked(budget: Budget) -> Document:
    some = {"$gt": ["$granted", 0]}
    last = {"$add": [_now_slot(budget), budget.hold_slots]}
    added = {"$concatArrays": ["$bookings", [{"slot": last, "n": "$granted"}]]}
    keep = (budget.hold_slots + SLOTS + 2) * budget.slot_ms + KEEP_MS
    # A refusal changes nothing here, so that it costs MongoDB no write.
    return {
        "bookings": {"$cond": [some, added, "$bookings"]},
        "booked": {"$cond": [some, last, {"$ifNull": ["$booked", 0]}]},
        "expires_at": {
            "$cond": [some, {"$add": ["$$NOW", keep]}, {"$ifNull": ["$expires_at", "$$NOW"]}]
        },
    }
