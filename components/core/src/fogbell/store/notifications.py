"""Notifications: accepted in one transaction with their deliveries, read, and settled."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import bson
from bson.raw_bson import RawBSONDocument
from pymongo import ReadPreference
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError, OperationFailure, PyMongoError

from fogbell.model.delivery import NewDelivery
from fogbell.model.notification import Notification
from fogbell.model.status import NotificationStatus
from fogbell.store.codec import notification_document, notification_value
from fogbell.store.database import (
    OPTIONS,
    Database,
    Document,
    SyncDatabase,
    refusal,
    store_call,
)
from fogbell.store.deliveries import delivery_document

COMMIT_TRIES = 3

FEW = 8
"""Documents that are inserted by a plain command."""

FEW_BYTES = 4_000_000
"""Larger ones are left to the driver, which divides what is too much for one message (48 MB)."""


class AcceptConflictError(Exception):
    """A transaction was aborted by something else; nothing of it is stored."""


@dataclass(frozen=True, slots=True)
class Accept:
    """One post to store: its notification and, for a small audience, its deliveries.

    ``sweep_at`` is when the sweep looks at the notification: to expand it, or to freeze its
    totals. None where it is settled already.
    """

    notification: Notification
    deliveries: Sequence[NewDelivery]
    sweep_at: datetime | None
    answered_status: NotificationStatus
    frozen: Mapping[str, Any] | None = None


@store_call
async def accept(db: Database, posts: Sequence[Accept], grace: timedelta) -> None:
    """Store every post whole, or none of them (majority, journaled).

    Raises `AcceptConflictError` where the transaction was aborted: the caller does them in
    smaller groups. After `StoreUnavailableError` the posts may have been stored.

    One notification without deliveries takes a transaction, too: an insert by itself would wait for
    whoever holds its id. A process that was killed within a commit holds what it had inserted for
    as long as MongoDB lets transactions live, which is a minute.
    """
    now = db.clock.now()
    notifications = [accept_document(post) for post in posts]
    deliveries = [delivery_document(d, now, grace) for post in posts for d in post.deliveries]
    await db.in_thread(_transact, notifications, deliveries)


def _transact(
    handle: SyncDatabase, notifications: Sequence[Document], deliveries: Sequence[Document]
) -> None:
    """Insert all of it and commit: three round trips, however much it is."""
    with handle.client.start_session() as session:
        session.start_transaction(
            read_concern=handle.read_concern,
            write_concern=handle.write_concern,
            # Whatever the URI says: a plain command would take its word for it, and be refused.
            read_preference=ReadPreference.PRIMARY,
        )
        try:
            _insert(handle, "notifications", notifications, session)
            if deliveries:
                _insert(handle, "deliveries", deliveries, session)
        except (BulkWriteError, OperationFailure) as error:
            session.abort_transaction()
            if error.timeout or refusal(error) is not None:
                # Slow or forbidden is not in conflict: one by one it would be so for each.
                raise
            raise AcceptConflictError(_label(error)) from error
        _commit(session)


def _insert(
    handle: SyncDatabase, collection: str, documents: Sequence[Document], session: ClientSession
) -> None:
    """Insert within a transaction. Raises what `insert_many` does, or `OperationFailure`."""
    if len(documents) <= FEW:
        encoded = [RawBSONDocument(bson.encode(d, codec_options=OPTIONS)) for d in documents]
        if sum(len(document.raw) for document in encoded) <= FEW_BYTES:
            _insert_few(handle, collection, encoded, session)
            return
    handle[collection].insert_many(documents, session=session)


def _insert_few(
    handle: SyncDatabase,
    collection: str,
    documents: Sequence[RawBSONDocument],
    session: ClientSession,
) -> None:
    """MongoDB's ``insert`` by itself: the driver's bulk write takes an eighth of a lone commit."""
    reply = handle.command("insert", collection, documents=documents, session=session)
    for error in reply.get("writeErrors", ()):
        raise OperationFailure("a document was refused", error.get("code"))


def _commit(session: ClientSession) -> None:
    for left in reversed(range(COMMIT_TRIES)):
        try:
            session.commit_transaction()
        except PyMongoError as error:
            if error.has_error_label("TransientTransactionError"):
                raise AcceptConflictError(_label(error)) from error
            if left and error.has_error_label("UnknownTransactionCommitResult"):
                continue
            raise
        else:
            return


def _label(error: PyMongoError) -> str:
    code = getattr(error, "code", None)
    return f"the transaction was aborted (code {code})"


def accept_document(post: Accept) -> Document:
    """A post's notification as stored."""
    document = notification_document(post.notification)
    if post.sweep_at is not None:
        document["sweep_at"] = post.sweep_at
    # What was answered, so that a repeated post gets the same answer.
    document["accepted"] = {
        "status": post.answered_status.value,
        "expected": post.notification.expected,
    }
    if post.frozen is not None:
        document.update(post.frozen)
    return document


@store_call
async def get(db: Database, notification_id: UUID) -> Notification | None:
    """One notification, or None."""
    document = await db.notifications.find_one({"_id": notification_id})
    return notification_value(document) if document else None


@store_call
async def get_many(db: Database, ids: Iterable[UUID]) -> dict[UUID, Notification]:
    """Those of ``ids`` that exist, without their audiences (which workers do not need)."""
    cursor = db.notifications.find({"_id": {"$in": list(ids)}}, {"audience": False})
    return {d["_id"]: notification_value(d) for d in await cursor.to_list(None)}


@dataclass(frozen=True, slots=True)
class Stored:
    """What answers a repeated post: the hash of the first request, and the answer given then."""

    request_hash: bytes | None
    created_at: datetime
    status: NotificationStatus
    expected: int | None


@store_call
async def stored(db: Database, ids: Sequence[UUID]) -> dict[UUID, Stored]:
    """What is stored under ids derived from idempotency keys."""
    cursor = db.notifications.find(
        {"_id": {"$in": list(ids)}}, {"request_hash": 1, "created_at": 1, "accepted": 1}
    )
    return {
        d["_id"]: Stored(
            request_hash=d.get("request_hash"),
            created_at=d["created_at"],
            status=NotificationStatus(d["accepted"]["status"]),
            expected=d["accepted"]["expected"],
        )
        for d in await cursor.to_list(None)
    }


@dataclass(frozen=True, slots=True)
class Ending:
    """What may stop a claimed delivery from being sent: read after every claim, never cached."""

    cancelled_at: datetime | None
    expires_at: datetime | None


@store_call
async def endings(db: Database, ids: Iterable[UUID]) -> dict[UUID, Ending]:
    """When each of ``ids`` was cancelled or expires; an id that is missing has been deleted."""
    cursor = db.notifications.find(
        {"_id": {"$in": list(ids)}}, {"cancelled_at": True, "expires_at": True}
    )
    return {
        d["_id"]: Ending(d.get("cancelled_at"), d.get("expires_at"))
        for d in await cursor.to_list(None)
    }
