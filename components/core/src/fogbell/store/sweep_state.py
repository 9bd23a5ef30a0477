"""What sweeps remember between two processes: above all when leases may not expire.

Workers that held on through an election, or through an outage that stopped the sweeps as well,
need a moment to record what they have sent. Until it is over no lease expires. Besides, up to when
all leases have been ended: what a next process need not read again.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from fogbell.model.status import Channel, Lane
from fogbell.store.database import Database, store_call

Marks = dict[tuple[Lane, Channel], datetime]
"""A time for each lane and channel."""

_ID = "sweep"
_MARKS = "leases_ended"


@store_call
async def observe(db: Database, hold: timedelta) -> datetime | None:
    """Note that a sweep takes place; returns until when no lease may expire, or None.

    The hold begins with a new primary, and with the first sweep after a gap longer than ``hold``.
    A rest that was announced with `finished` is no part of a gap.
    """
    hello = await db.handle.command("hello")
    # Behind a mongos there is no election to see; the gap in sweeping still tells of an outage.
    election = str(hello.get("electionId"))
    now = db.clock.now()
    before: Mapping[str, Any] = await db.state.find_one({"_id": _ID}) or {}
    until: datetime | None = before.get("hold_until")
    last: datetime | None = before.get("last_sweep_at")
    rest: datetime | None = before.get("rest_until")
    # A hold is not a gap, or every hold would begin the next one.
    alive = max((t for t in (last, until, rest) if t is not None), default=None)
    if before.get("election") != election or alive is None or now - alive > hold:
        until = now + hold
    fields = {"election": election, "last_sweep_at": now, "hold_until": until}
    await db.state.update_one({"_id": _ID}, {"$set": fields}, upsert=True)
    return until if until is not None and until > now else None


@store_call
async def finished(db: Database, *, rest_until: datetime | None = None) -> None:
    """Note that a sweep has ended: however long it took, it was no gap.

    ``rest_until`` is when the next one is expected, where that is not at once.
    """
    fields = {"last_sweep_at": db.clock.now()}
    if rest_until is not None:
        fields["rest_until"] = rest_until
    await db.state.update_one({"_id": _ID}, {"$set": fields})


@store_call
async def leases_ended(db: Database) -> Marks:
    """Up to when the leases of a lane and channel have all been ended, as sweeps have noted it."""
    state: Mapping[str, Any] = await db.state.find_one({"_id": _ID}) or {}
    marks: Mapping[str, Mapping[str, datetime]] = state.get(_MARKS) or {}
    return {
        (Lane(lane), Channel(channel)): mark
        for lane, channels in marks.items()
        for channel, mark in channels.items()
    }


@store_call
async def note_leases_ended(db: Database, marks: Marks) -> None:
    """Note ``marks``; where another sweep has come further, its mark stays."""
    if marks:
        fields = {f"{_MARKS}.{lane}.{channel}": at for (lane, channel), at in marks.items()}
        await db.state.update_one({"_id": _ID}, {"$max": fields}, upsert=True)
