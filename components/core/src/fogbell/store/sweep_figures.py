"""What sweeps have done and seen, for metrics. A sweep's process lives for a minute, and whoever
scrapes would mostly come too late: so it is kept in one document, and processes that stay show it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pymongo.errors import DuplicateKeyError

from fogbell.model.status import Channel, DeliveryStatus, Lane
from fogbell.store.database import Database, store_call

_ID = "sweep_figures"
_BATCHES_KEPT = 100
"""Batches that are remembered: more than can be tried again."""

RELEASED, UNCLAIMED, CALLBACKS, SWEEPS = "released_", "unclaimed_", "callbacks_", "sweeps_"
"""What names of counts begin with: then a reason, a channel and a lane, an event, an outcome."""

SETTLED, PURGED = "settled", "purged"
"""Counts of notifications."""

_CHANNELS, _LANES = {channel.value for channel in Channel}, {lane.value for lane in Lane}
_STATUSES = {status.value for status in DeliveryStatus}

Queue = tuple[Channel, Lane]
DueSince = Mapping[Queue, datetime | None]
"""Since when something of a queue has been due; None where nothing is."""


@dataclass(frozen=True, slots=True)
class SweepFigures:
    """What there is to show: ``counts`` since the database was made, by name; what the sweep of
    ``last_sweep_at`` left; how many deliveries are not settled.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    last_sweep_at: datetime | None = None
    due_since: DueSince = field(default_factory=dict)
    outstanding: Mapping[DeliveryStatus, int] = field(default_factory=dict)


@store_call
async def add(
    db: Database, batch: str, counts: Mapping[str, int], swept_at: datetime, due_since: DueSince
) -> None:
    """Add ``counts``, and note that a sweep has ended well, and what it left.

    A ``batch`` counts once, however often it is added: whether it was is not known after an outage.
    What is 0 is added as well: a counter has to exist before it is seen to rise.
    """
    due: dict[str, dict[str, datetime | None]] = {}
    for (channel, lane), since in due_since.items():
        due.setdefault(channel.value, {})[lane.value] = since
    update = {
        "$inc": {f"counts.{name}": count for name, count in counts.items()},
        "$max": {"last_sweep_at": swept_at},
        "$set": {"due_since": due},
        "$push": {"batches": {"$each": [batch], "$slice": -_BATCHES_KEPT}},
    }
    try:
        await db.state.update_one({"_id": _ID, "batches": {"$ne": batch}}, update, upsert=True)
    except DuplicateKeyError:
        return  # it is in there


@store_call
async def note_outstanding(db: Database, counted: Mapping[DeliveryStatus, int]) -> None:
    """Note how many deliveries are not settled."""
    fields = {"outstanding": {status.value: count for status, count in counted.items()}}
    await db.state.update_one({"_id": _ID}, {"$set": fields}, upsert=True)


@store_call
async def read(db: Database) -> SweepFigures:
    """How it all stands. Words that only another version knows are passed over."""
    document: Mapping[str, Any] = await db.state.find_one({"_id": _ID}) or {}
    outstanding = document.get("outstanding", {})
    return SweepFigures(
        counts=document.get("counts", {}),
        last_sweep_at=document.get("last_sweep_at"),
        due_since={
            (Channel(channel), Lane(lane)): since
            for channel, lanes in document.get("due_since", {}).items()
            for lane, since in lanes.items()
            if channel in _CHANNELS and lane in _LANES
        },
        outstanding={DeliveryStatus(w): n for w, n in outstanding.items() if w in _STATUSES},
    )
