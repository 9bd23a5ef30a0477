"""The records of Celery and Dramatiq: PyMongo, one client a process, made after the fork."""

import functools
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import pymongo
from pymongo.collection import Collection

from bench.peers import documents
from bench.peers.documents import Document
from bench.peers.place import Place


class Records:
    """Insert, claim, record: each with majority and journal."""

    def __init__(self, place: Place) -> None:
        client = pymongo.MongoClient[Document](place.mongodb, uuidRepresentation="standard")
        database = client[place.database]
        self.recipients: Collection[Document] = database["recipients"]
        self.deliveries = database.get_collection("deliveries", write_concern=documents.DURABLE)

    def expand(self, share: range, notification: str) -> Iterator[list[str]]:
        """Insert a record for each recipient of ``share``, page by page; the ids of each page."""
        people = self.recipients.find().sort("_id", 1).skip(share.start).limit(len(share))
        page: list[Document] = []
        now = datetime.now(UTC)
        for person in people.batch_size(documents.PAGE):
            page.append(documents.pending(person, notification, now))
            if len(page) == documents.PAGE:
                yield self._insert(page)
                page = []
        if page:
            yield self._insert(page)

    def _insert(self, page: list[Document]) -> list[str]:
        self.deliveries.insert_many(page, ordered=False)
        return [str(document["_id"]) for document in page]

    def claim(self, id_: str) -> Document | None:
        """Take a delivery; None where it is settled, or somebody else's."""
        query, update = documents.claim(UUID(id_))
        found: Document | None = self.deliveries.find_one_and_update(
            query, update, return_document=pymongo.ReturnDocument.AFTER
        )
        return found

    def record(self, claimed: Document, code: str) -> None:
        """Write down that it was delivered."""
        self.deliveries.update_one(*documents.record(claimed, code))


@functools.cache
def records() -> Records:
    """This process's."""
    return Records(Place.of_environment())
