"""After the faults: until nothing is under way any more, and what there is to see then."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import aio_pika
from pymongo.errors import PyMongoError
from tests.chaos.ground import Ground
from tests.chaos.sizes import ATTEMPTS, LEASE_SECONDS
from tests.support.reckoning import Reckoning
from tests.support.waiting import eventually

from fogbell.model.status import OUTSTANDING, Channel
from fogbell.store.database import Collection, Database
from fogbell_local.sink import Entry

LOOK_SECONDS = 0.5
_UNSETTLED = {"settled_at": {"$exists": False}}
_OUTSTANDING = {"status": {"$in": sorted(OUTSTANDING)}}
_NOTIFICATION = ("settled_at", "frozen", "expected", "cancelled_at", "replays")
_DELIVERY = (
    "notification_id", "channel", "lane", "status", "reason", "not_before", "sweep_at", "owner",
    "lost_owner", "alone", "chunk", "lost_leases", "lost_alone", "replays", "attempts",
    "attempt_count", "claims", "created_at", "settled_at",
)  # fmt: skip


async def come_to_rest(ground: Ground, seconds: float) -> str:
    """Wait until all is answered and settled, and every queue is empty; what is not, else ""."""
    async with ground.database() as db:

        async def at_rest() -> bool:
            """Whether it is; says what is left."""
            left = await _left(ground, db)
            assert not left, left
            return True

        try:
            await eventually(at_rest, seconds, LOOK_SECONDS)
        except (AssertionError, PyMongoError, aio_pika.exceptions.AMQPError, OSError) as error:
            return str(error)
    return ""


async def _left(ground: Ground, db: Database) -> str:
    counts = {
        "posts unanswered": ground.load.waiting,
        "runs not ended": ground.campaigns.waiting,
        "deliveries outstanding": await db.deliveries.count_documents(_OUTSTANDING),
        "notifications unsettled": await db.notifications.count_documents(_UNSETTLED),
        "leases on chunks": await db.chunks.count_documents({"until": {"$exists": True}}),
        "messages": sum((await queues(ground)).values()),
    }
    return ", ".join(f"{number} {what}" for what, number in counts.items() if number)


async def queues(ground: Ground) -> dict[str, int]:
    """Messages that wait, by queue."""
    connection = await aio_pika.connect(ground.servers.rabbitmq.uri)
    found = {}
    async with connection:
        for name in ground.topology.queues():
            async with connection.channel() as channel:
                try:
                    queue = await channel.declare_queue(name, passive=True)
                except aio_pika.exceptions.ChannelNotFoundEntity:
                    continue  # nobody has needed it since the last wipe
                found[name] = queue.declaration_result.message_count or 0
    return found


async def reckoning(ground: Ground) -> Reckoning:
    """What the three witnesses say now."""
    books = ground.books
    async with ground.database() as db:
        notifications = await _by_id(db.notifications, _NOTIFICATION)
        records = await _by_id(db.deliveries, _DELIVERY)
    return Reckoning(
        attempted=books.attempted,
        posted=books.accepted,
        notifications=notifications,
        records=records,
        ledger=recognised(ground.servers.sink.entries(), books.numbers),
        longest_claim=timedelta(seconds=LEASE_SECONDS),
        tries=ATTEMPTS,
        witnessed=books.witnessed,
        queues=await queues(ground),
    )


def recognised(ledger: list[Entry], numbers: dict[str, UUID]) -> list[Entry]:
    """The ledger, with the deliveries of texts: their numbers tell, since none is used twice."""
    return [_recognised(entry, numbers) for entry in ledger]


def _recognised(entry: Entry, numbers: dict[str, UUID]) -> Entry:
    if entry.channel is not Channel.SMS:
        return entry
    return replace(entry, delivery=str(numbers.get(entry.to[0], "")))


async def _by_id(collection: Collection, fields: Iterable[str]) -> dict[UUID, Mapping[str, Any]]:
    found = collection.find({}, dict.fromkeys(fields, True))
    return {document["_id"]: document async for document in found}
