"""taskiq with taskiq-aio-pika: one async task a delivery, acknowledged once it has ended.

Sources: taskiq's guide ("Architecture overview", "CLI": --max-async-tasks, --ack-type) and
taskiq-aio-pika's README (`qos`, quorum queues; messages are persistent and confirmed). MongoDB is
asked through PyMongo's own asynchronous client, mail is sent in threads with smtplib: composing is
what costs. No result is kept, which is its default.
"""

import asyncio
import functools
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

import pymongo
from pymongo import AsyncMongoClient
from taskiq_aio_pika import AioPikaBroker, Exchange, Queue

from bench.peers import documents, mail
from bench.peers.documents import Document
from bench.peers.place import Place

place = Place.of_environment()
broker = AioPikaBroker(
    place.rabbitmq,
    qos=place.prefetch,
    exchange=Exchange(name=f"{place.queue}.exchange", auto_delete=True),
    task_queues=[Queue(name=place.queue)],
    dead_letter_queue=Queue(name=f"{place.queue}.dead"),
)


class Records:
    """Insert, claim, record: each with majority and journal."""

    def __init__(self) -> None:
        client = AsyncMongoClient[Document](place.mongodb, uuidRepresentation="standard")
        database = client[place.database]
        self.recipients = database["recipients"]
        self.deliveries = database.get_collection("deliveries", write_concern=documents.DURABLE)

    async def expand(self, share: range, notification: str) -> AsyncIterator[list[str]]:
        """As that of `bench.peers.records`."""
        people = self.recipients.find().sort("_id", 1).skip(share.start).limit(len(share))
        now = datetime.now(UTC)
        while page := await people.to_list(documents.PAGE):
            new = [documents.pending(person, notification, now) for person in page]
            await self.deliveries.insert_many(new, ordered=False)
            yield [str(document["_id"]) for document in new]


@functools.cache
def records() -> Records:
    """This process's."""
    return Records()


@broker.task(task_name="deliver")
async def deliver(id_: str) -> None:
    """Claim, send, record."""
    deliveries = records().deliveries
    query, update = documents.claim(UUID(id_))
    claimed = await deliveries.find_one_and_update(
        query, update, return_document=pymongo.ReturnDocument.AFTER
    )
    if claimed is None:
        return
    code = "250"
    if place.smtp_port:
        code = await asyncio.to_thread(mail.send, claimed, place.smtp_port)
    await deliveries.update_one(*documents.record(claimed, code))
