"""Counting a run piece by piece: one command for millions would outlast its time limit.

A piece is a range of ids, counted as of one moment. An id never changes, so whatever else does
meanwhile, each delivery is counted once.
"""

import contextlib
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from time import monotonic
from typing import NamedTuple
from uuid import UUID

from pymongo.read_concern import ReadConcern

from fogbell.identity import SLICES, delivery_slices
from fogbell.model.status import Channel, DeliveryStatus
from fogbell.store.database import Database, Document, store_call
from fogbell.store.indexes import NOT_DELIVERED, OUTSTANDING

ByChannel = dict[Channel, dict[DeliveryStatus, int]]

FAST, SLOW = 0.1, 0.5
"""Seconds for one piece: below the first they grow, above the second they shrink."""

FIRST_PIECE = 1
"""Slices in the first piece: of a run of a hundred million 25,000 deliveries."""

COUNT_SECONDS = 5.0
"""How long a look at one run may keep a sweep, or a request, from other work."""


class Piece(NamedTuple):
    """Ids from ``first`` to ``last``; ``done`` is the share of the run that ends with it."""

    first: UUID
    last: UUID
    done: float


def pieces(notification_id: UUID) -> Iterator[Piece]:
    """The whole run; each piece is sized by how long the one before kept the caller busy."""
    start, width = 0, FIRST_PIECE
    while start < SLICES:
        end = min(start + width, SLICES)
        began = monotonic()
        yield Piece(*delivery_slices(notification_id, start, end), end / SLICES)
        took = monotonic() - began
        if took < FAST:
            width *= 4
        elif took > SLOW:
            width = max(1, width // 2)
        start = end


async def _nothing() -> None:
    return


@store_call
async def count_expanded(
    db: Database, notification_id: UUID, before_each: Callable[[], Awaitable[None]] = _nothing
) -> ByChannel:
    """All deliveries of a notification, by channel and status: asked once, when it is expanded.

    How many there are of a channel stays; each status is of some moment of the count.
    ``before_each`` piece, of half a second or so, is where a lease may be renewed.
    """
    counted: defaultdict[Channel, Counter[DeliveryStatus]] = defaultdict(Counter)
    for piece in pieces(notification_id):
        await before_each()
        ids = {"$gte": piece.first, "$lte": piece.last}
        pipeline: list[Document] = [
            {"$match": {"_id": ids, "notification_id": notification_id}},
            {"$group": {"_id": {"c": "$channel", "s": "$status"}, "count": {"$sum": 1}}},
        ]
        async for row in db.deliveries.aggregate(pipeline, hint="_id_"):
            key = row["_id"]
            counted[Channel(key["c"])][DeliveryStatus(key["s"])] += row["count"]
    return {channel: dict(statuses) for channel, statuses in counted.items()}


def expected_of(counted: ByChannel) -> dict[str, int]:
    """How many deliveries there are, by channel, as a notification keeps it."""
    return {channel.value: sum(statuses.values()) for channel, statuses in counted.items()}


@store_call
async def undelivered(db: Database, ids: Sequence[UUID]) -> dict[UUID, ByChannel]:
    """By status and channel, everything not delivered of ``ids``: small runs, in one command.

    All of one moment: a delivery whose status changes meanwhile moves within the index, and would
    be counted twice, or not at all and so as delivered.
    """
    counted: dict[UUID, ByChannel] = defaultdict(lambda: defaultdict(dict))
    await _count_undelivered(db, {"notification_id": {"$in": list(ids)}}, counted)
    return counted


@store_call
async def undelivered_of_large(
    db: Database, notification_id: UUID, within: float = COUNT_SECONDS
) -> ByChannel:
    """As `undelivered` for one run of any size.

    Where something is outstanding after ``within`` seconds, the rest is estimated from what has
    been counted: ids are hashes, so a part of them is like the whole. Where nothing is
    outstanding the counts are exact: they may be final.
    """
    ends = monotonic() + within
    counted: ByChannel = {}
    async with contextlib.aclosing(_by_pieces(db, notification_id)) as parts:
        async for counted, done in parts:
            if monotonic() > ends and not _nothing_outstanding(counted):
                return _scaled(counted, 1 / done)
    return counted


class Few(NamedTuple):
    """What is not delivered of a run: all of it, or an estimate where it is not ``exact``."""

    counted: ByChannel
    exact: bool


@store_call
async def undelivered_if_few(db: Database, notification_id: UUID, within: float, most: int) -> Few:
    """As `undelivered`, until more than ``most`` were met or ``within`` seconds are over."""
    ends = monotonic() + within
    counted: ByChannel = {}
    async with contextlib.aclosing(_by_pieces(db, notification_id)) as parts:
        async for counted, done in parts:
            many = sum(sum(statuses.values()) for statuses in counted.values()) > most
            if many or (done < 1 and monotonic() > ends):
                return Few(_scaled(counted, 1 / done), exact=False)
    return Few(counted, exact=True)


async def _by_pieces(
    db: Database, notification_id: UUID
) -> AsyncGenerator[tuple[ByChannel, float], None]:
    """What is not delivered after each piece, and the share of the run that was counted."""
    counted: dict[UUID, ByChannel] = defaultdict(lambda: defaultdict(dict))
    for piece in pieces(notification_id):
        ids = {"$gte": piece.first, "$lte": piece.last}
        # The channels are named so that the index's ranges reach down to the ids.
        channels = {"$in": [channel.value for channel in Channel]}
        which = {"notification_id": notification_id, "channel": channels, "_id": ids}
        await _count_undelivered(db, which, counted)
        yield counted[notification_id], piece.done


async def _count_undelivered(db: Database, which: Document, counted: dict[UUID, ByChannel]) -> None:
    pipeline: list[Document] = [
        {"$match": which | {"status": {"$in": NOT_DELIVERED}}},
        {
            "$group": {
                "_id": {"n": "$notification_id", "s": "$status", "c": "$channel"},
                "count": {"$sum": 1},
            }
        },
    ]
    one_moment = db.deliveries.with_options(read_concern=ReadConcern("snapshot"))
    async for row in one_moment.aggregate(pipeline, hint=OUTSTANDING):
        key = row["_id"]
        statuses = counted[key["n"]][Channel(key["c"])]
        status = DeliveryStatus(key["s"])
        statuses[status] = statuses.get(status, 0) + row["count"]


def _nothing_outstanding(counted: ByChannel) -> bool:
    return not any(n for ss in counted.values() for s, n in ss.items() if not s.settled)


def _scaled(counted: ByChannel, factor: float) -> ByChannel:
    return {
        channel: {status: round(number * factor) for status, number in statuses.items()}
        for channel, statuses in counted.items()
    }
