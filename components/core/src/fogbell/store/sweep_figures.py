"""What sweeps have done and seen, for metrics. A sweep's process lives for a minute, and whoever
scrapes would mostly come too late: so it is kept in one document, and processes that stay show it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fogbell.model.status import Channel, DeliveryStatus, Lane
from fogbell.store.database import Database, store_call

_ID = "sweep_figures"

RELEASED, CALLBACKS, SWEEPS = "released_", "callbacks_", "sweeps_"
"""What the names of counts begin with: then a reason, an event, an outcome."""

SETTLED, PURGED = "settled", "purged"
"""Counts of notifications."""

Queue = tuple[Channel, Lane]


@dataclass(frozen=True, slots=True)
class SweepFigures:
    """What there is to show.

    ``counts`` are since the database was made, by name. ``due_since`` is since when something of a
    queue has been due, as the sweep of ``last_sweep_at`` left it; None where nothing was.
    ``outstanding`` counts deliveries that are not settled.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    last_sweep_at: datetime | None = None
    due_since: Mapping[Queue, datetime | None] = field(default_factory=dict)
    outstanding: Mapping[DeliveryStatus, int] = field(default_factory=dict)


@store_call
async def add(
    db: Database,
    counts: Mapping[str, int],
    swept_at: datetime,
    due_since: Mapping[Queue, datetime | None],
) -> None:
    """Add ``counts``, and note that a sweep has ended well, and what it left.

    What is 0 is added as well: a counter has to exist before it is seen to rise.
    """
    due: dict[str, dict[str, datetime | None]] = {}
    for (channel, lane), since in due_since.items():
        due.setdefault(channel.value, {})[lane.value] = since
    update = {
        "$inc": {f"counts.{name}": count for name, count in counts.items()},
        "$set": {"last_sweep_at": swept_at, "due_since": due},
    }
    await db.state.update_one({"_id": _ID}, update, upsert=True)


@store_call
async def note_outstanding(db: Database, counted: Mapping[DeliveryStatus, int]) -> None:
    """Note how many deliveries are not settled."""
    fields = {"outstanding": {status.value: count for status, count in counted.items()}}
    await db.state.update_one({"_id": _ID}, {"$set": fields}, upsert=True)


@store_call
async def read(db: Database) -> SweepFigures:
    """How it all stands."""
    document: Mapping[str, Any] = await db.state.find_one({"_id": _ID}) or {}
    return SweepFigures(
        counts=document.get("counts", {}),
        last_sweep_at=document.get("last_sweep_at"),
        due_since={
            (Channel(channel), Lane(lane)): since
            for channel, lanes in document.get("due_since", {}).items()
            for lane, since in lanes.items()
        },
        outstanding={
            DeliveryStatus(word): count for word, count in document.get("outstanding", {}).items()
        },
    )
