"""How far a notification is, and the freezing of its totals once it is settled.

Delivered ones are never counted: they are "expected minus the others", so that the answer costs
what is outstanding, not what is done. Below `EXACT_LIMIT` it is exact, above it a summary that the
expansion writes, at its end once more, and then each sweep.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pymongo import UpdateOne

from fogbell.model.notification import Progress
from fogbell.model.status import Channel, DeliveryStatus
from fogbell.store.claims import milliseconds
from fogbell.store.counting import (
    ByChannel,
    undelivered,
    undelivered_if_few,
    undelivered_of_large,
)
from fogbell.store.database import Database, Document, store_call

EXACT_LIMIT = 10_000
"""Above this many undelivered ones, progress is a summary (a full count of a million: 0.3 s)."""

SUMMARY_SECONDS = 1.0
"""How long the count for a summary may hold up the expansion that writes it."""

REQUEST_SECONDS = 0.05
"""How long a request counts what is left of a large run. That takes longest while it goes on:
MongoDB keeps what was settled in the last minutes in the index, and has to pass it (measured with a
million: some seconds). Then the summary answers, or an estimate where there is none yet."""

FASTEST = 20_000
"""Deliveries of one run that may be settled in a second: till there can be few nothing is asked."""

LARGE = 100_000
"""A run with more deliveries is counted piece by piece."""

BATCH = 500_000
"""Deliveries that the runs looked at in one go may have; one larger run is looked at alone."""


@store_call
async def progress(db: Database, notification_id: UUID) -> Progress | None:
    """Totals of one notification, or None where it does not exist."""
    document = await db.notifications.find_one(
        {"_id": notification_id},
        {"expected_by_channel": 1, "frozen": 1, "summary": 1, "expansion": 1},
    )
    if document is None:
        return None
    frozen = frozen_progress(document)
    if frozen is not None:
        return frozen
    expansion = document.get("expansion", {})
    # While it is expanding, of what is known to be inserted: more may be delivered than it says.
    expected = document.get("expected_by_channel") or expansion.get("inserted") or {}
    as_of = expansion.get("reached_at")
    if sum(expected.values()) <= EXACT_LIMIT:
        counted = (await undelivered(db, [notification_id]))[notification_id]
        return summed(_with_delivered(expected, counted), as_of)
    summary = _stored_summary(document)
    if summary is not None and _left(summary, db.clock.now()) > EXACT_LIMIT:
        return summary
    few = await undelivered_if_few(db, notification_id, REQUEST_SECONDS, EXACT_LIMIT)
    if not few.exact:
        if summary is not None:
            return summary
        # In the first moments of a run or a replay. It is not exact, so it tells of when it is.
        as_of = db.clock.now()
    return summed(_with_delivered(expected, few.counted), as_of)


@store_call
async def summarise(
    db: Database, notification_id: UUID, token: str, inserted: Mapping[str, int]
) -> None:
    """Write a summary of a run that is being expanded under ``token``, where there is much of it.

    ``inserted`` is how many deliveries there are at least, by channel.
    """
    counted = await undelivered_of_large(db, notification_id, SUMMARY_SECONDS)
    summary = summary_of(_with_delivered(inserted, counted), db.clock.now())
    if summary is not None:
        await db.notifications.update_one(
            {"_id": notification_id, "expansion.owner": token}, {"$set": {"summary": summary}}
        )


def summary_of(by_channel: ByChannel, as_of: datetime) -> Document | None:
    """The summary of a run; None where so little is not delivered that it is counted."""
    reached = summed(by_channel, as_of)
    return _summary(reached) if _undelivered_of(reached) > EXACT_LIMIT else None


def _summary(reached: Progress) -> Document:
    return {"by_channel": plain(reached.by_channel), "as_of": reached.as_of}


def _left(summary: Progress, now: datetime) -> float:
    """How many are not delivered at least by now, going by a summary."""
    assert summary.as_of is not None
    return _undelivered_of(summary) - FASTEST * (now - summary.as_of).total_seconds()


def _undelivered_of(reached: Progress) -> int:
    return sum(reached.totals.values()) - reached.totals[DeliveryStatus.DELIVERED]


def _with_delivered(expected: Mapping[str, int], counted: ByChannel) -> ByChannel:
    """Add delivered = expected - the others; absent before the first checkpoint of a run."""
    result: ByChannel = {channel: dict(statuses) for channel, statuses in counted.items()}
    for name, number in expected.items():
        statuses = result.setdefault(Channel(name), {})
        # Two reads, one after the other: never show less than nothing.
        statuses[DeliveryStatus.DELIVERED] = max(0, number - sum(statuses.values()))
    return result


def summed(by_channel: ByChannel, as_of: datetime | None = None) -> Progress:
    """Progress from counts by channel."""
    totals = dict.fromkeys(DeliveryStatus, 0)
    for statuses in by_channel.values():
        for status, number in statuses.items():
            totals[status] += number
    return Progress(totals, by_channel, as_of)


def plain(by_channel: ByChannel) -> Document:
    """Counts as stored: words for keys, zeroes left out."""
    return {
        channel.value: {status.value: n for status, n in statuses.items() if n}
        for channel, statuses in by_channel.items()
    }


def frozen_progress(document: Mapping[str, Any]) -> Progress | None:
    """The final totals on a notification's document, or None where they are not frozen."""
    frozen = document.get("frozen")
    return None if frozen is None else _stored_progress(frozen, None)


def _stored_summary(document: Mapping[str, Any]) -> Progress | None:
    summary = document.get("summary")
    return None if summary is None else _stored_progress(summary["by_channel"], summary["as_of"])


def _stored_progress(document: Mapping[str, Any], as_of: datetime | None) -> Progress:
    return summed(
        {
            Channel(channel): {DeliveryStatus(s): n for s, n in statuses.items()}
            for channel, statuses in document.items()
        },
        as_of,
    )


@dataclass(frozen=True, slots=True)
class Unsettled:
    """An expanded notification that is to be looked at: is anything outstanding?

    ``replays`` is how often it had been replayed when it was read, None for never: totals that
    were counted before a replay are never frozen after it.
    """

    id: UUID
    expected_by_channel: Mapping[str, int]
    settle_checks: int = 0
    replays: int | None = None


_UNSETTLED: Document = {
    "expanded_at": {"$exists": True},
    "settled_at": {"$exists": False},
    # While pages of these are missing, what is counted is not what there will be.
    "cancelling": {"$exists": False},
    "replaying": {"$exists": False},
}
_UNSETTLED_FIELDS = {"expected_by_channel": True, "settle_checks": True, "replays": True}


@store_call
async def due_for_settling(db: Database, until: datetime, limit: int) -> list[Unsettled]:
    """Expanded notifications whose ``sweep_at`` has come, oldest first."""
    cursor = (
        db.notifications.find({"sweep_at": {"$lte": until}, **_UNSETTLED}, _UNSETTLED_FIELDS)
        .sort("sweep_at", 1)
        .limit(limit)
        .hint([("sweep_at", 1)])
    )
    return [_unsettled(document) for document in await cursor.to_list(None)]


@store_call
async def unsettled(db: Database, notification_id: UUID) -> Unsettled | None:
    """One notification to be looked at, due or not; None where there is nothing to look for."""
    document = await db.notifications.find_one(
        {"_id": notification_id, **_UNSETTLED}, _UNSETTLED_FIELDS
    )
    return _unsettled(document) if document else None


def _unsettled(document: Mapping[str, Any]) -> Unsettled:
    return Unsettled(
        document["_id"],
        document.get("expected_by_channel") or {},
        document.get("settle_checks", 0),
        document.get("replays"),
    )


@store_call
async def settle(
    db: Database,
    candidates: Sequence[Unsettled],
    pause: Callable[[int], timedelta],
    keep: timedelta,
) -> tuple[list[UUID], list[Progress]]:
    """Freeze the totals of those with nothing outstanding; write a summary for the others.

    ``pause`` tells from the number of looks so far when to look again, ``keep`` how long
    deliveries are retained. Returns the ids settled, and the progress of those that are not.
    """
    counted = await _counted(db, candidates)
    now = db.clock.now()
    updates, settled, unsettled = [], [], []
    for candidate in candidates:
        reached = summed(_with_delivered(candidate.expected_by_channel, counted[candidate.id]), now)
        if reached.outstanding:
            again_at = now + pause(candidate.settle_checks)
            updates.append(_summary_update(candidate, reached, again_at))
            unsettled.append(reached)
        else:
            updates.append(_freeze_update(candidate, reached, keep))
            settled.append(candidate.id)
    if updates:
        await db.notifications.bulk_write(updates, ordered=False)
    return settled, unsettled


async def _counted(db: Database, candidates: Sequence[Unsettled]) -> dict[UUID, ByChannel]:
    small = [c.id for c in candidates if _size(c) <= LARGE]
    counted = await undelivered(db, small) if small else {}
    for notification_id in {c.id for c in candidates} - set(small):
        counted[notification_id] = await undelivered_of_large(db, notification_id)
    return counted


def _size(candidate: Unsettled) -> int:
    return sum(candidate.expected_by_channel.values())


def batches(candidates: Sequence[Unsettled]) -> Iterator[list[Unsettled]]:
    """``candidates`` in lists for `settle`: each is counted well within an operation's limit."""
    batch: list[Unsettled] = []
    size = 0
    for candidate in candidates:
        if batch and size + _size(candidate) > BATCH:
            yield batch
            batch, size = [], 0
        batch.append(candidate)
        size += _size(candidate)
    if batch:
        yield batch


@store_call
async def postpone(db: Database, ids: Sequence[UUID], pause: timedelta) -> None:
    """Look at ``ids`` again after ``pause``: counting them has failed."""
    later = db.clock.now() + pause
    await db.notifications.update_many(
        {"_id": {"$in": list(ids)}, "sweep_at": {"$lte": db.clock.now()}},
        {"$set": {"sweep_at": later}},
        hint=[("_id", 1)],
    )


def frozen_fields(reached: Progress, now: datetime, keep: timedelta) -> Document:
    """What a settled notification carries: its totals outlive its deliveries."""
    return {"frozen": plain(reached.by_channel), "settled_at": now, "purge_at": now + keep}


def _as_counted(candidate: Unsettled) -> Document:
    """Not settled since, and not replayed since."""
    return {
        "_id": candidate.id,
        "settled_at": {"$exists": False},
        "replays": candidate.replays,
        "replaying": {"$exists": False},
    }


def _freeze_update(candidate: Unsettled, reached: Progress, keep: timedelta) -> UpdateOne:
    """As `frozen_fields`, by MongoDB's own time: a process's would lie before ``cancelled_at``."""
    fields = {
        "frozen": {"$literal": plain(reached.by_channel)},
        "settled_at": "$$NOW",
        "purge_at": {"$add": ["$$NOW", milliseconds(keep)]},
    }
    return UpdateOne(
        _as_counted(candidate), [{"$set": fields}, {"$unset": ["sweep_at", "summary"]}]
    )


def _summary_update(candidate: Unsettled, reached: Progress, again_at: datetime) -> UpdateOne:
    return UpdateOne(
        _as_counted(candidate),
        {
            "$set": {"summary": _summary(reached), "sweep_at": again_at},
            "$inc": {"settle_checks": 1},
        },
    )
