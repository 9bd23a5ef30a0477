"""The connection: collections with the durability that the protocol asks for, and the clock."""

import functools
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, ParamSpec, TypeVar

import pymongo
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions
from motor.motor_asyncio import (
    AsyncIOMotorClient,
    AsyncIOMotorClientSession,
    AsyncIOMotorCollection,
    AsyncIOMotorDatabase,
)
from pymongo import WriteConcern
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WaitQueueTimeoutError,
    WriteConcernError,
)
from pymongo.read_concern import ReadConcern

Document = dict[str, Any]
Collection = AsyncIOMotorCollection
Session = AsyncIOMotorClientSession

OPERATION_TIMEOUT_MS = 10_000
"""How long any one operation may take, its own retries and the search for a primary included."""

COUNT_TIMEOUT = 120.0
"""How long a background count of a whole run may take, in seconds (measured: 5 us a delivery)."""

CLOSE_TIMEOUT = 0.5

_GOING_AWAY = frozenset({91, 189, 10058, 10107, 11600, 11602, 13435, 13436})
"""What a node answers that stops or is no primary any more ("Retryable Writes" specification)."""

_INDEX_BUILD_ABORTED = 276
"""Whoever began the build has gone, or the node stops: asked for again, it is begun again."""

P = ParamSpec("P")
R = TypeVar("R")


class StoreUnavailableError(Exception):
    """MongoDB did not answer in time, or has no primary. The operation may have been applied."""


def store_call(call: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Turn the driver's "not reachable" errors into `StoreUnavailableError`; others pass."""

    @functools.wraps(call)
    async def translated(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await call(*args, **kwargs)
        except PyMongoError as error:
            if is_unavailable(error):
                raise StoreUnavailableError(f"MongoDB is not available: {error}") from error
            raise

    return translated


def is_unavailable(error: PyMongoError) -> bool:
    """Whether the error is about reaching MongoDB, not about what was asked of it."""
    if isinstance(
        error, ConnectionFailure | ExecutionTimeout | WriteConcernError | WaitQueueTimeoutError
    ):
        return True
    if error.timeout or (isinstance(error, BulkWriteError) and _is_undecided(error)):
        return True
    return isinstance(error, OperationFailure) and (
        error.code in _GOING_AWAY
        or error.code == _INDEX_BUILD_ABORTED
        or any(
            error.has_error_label(label)
            for label in ("RetryableWriteError", "TransientTransactionError", "RetryableReadError")
        )
    )


def _is_undecided(error: BulkWriteError) -> bool:
    """Whether a part was not tried for want of a primary, or not confirmed by the majority."""
    details = error.details or {}
    return bool(details.get("writeConcernErrors")) or any(
        part.get("code") in _GOING_AWAY for part in details.get("writeErrors", ())
    )


class Clock:
    """MongoDB's time, for what is inserted: the offset of this process's clock is measured.

    What is claimed or recorded uses ``$$NOW`` within MongoDB and needs no clock at all.
    """

    def __init__(self) -> None:
        self._offset = timedelta(0)

    def now(self) -> datetime:
        """UTC, in whole milliseconds as MongoDB keeps them."""
        now = datetime.now(UTC) + self._offset
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def adjust(self, server_time: datetime, asked_at: datetime, answered_at: datetime) -> None:
        """Take the server's time as that of the middle of the round trip."""
        self._offset = server_time - (asked_at + (answered_at - asked_at) / 2)


class Database:
    """A handle to one Fogbell database. Opens no connection until first used."""

    def __init__(self, uri: str, name: str, *, app_name: str = "fogbell") -> None:
        self.client: AsyncIOMotorClient = AsyncIOMotorClient(
            uri,
            appname=app_name,
            uuidRepresentation="standard",
            tz_aware=True,
            timeoutMS=OPERATION_TIMEOUT_MS,
            serverSelectionTimeoutMS=OPERATION_TIMEOUT_MS,
        )
        options: CodecOptions[Document] = CodecOptions(
            tz_aware=True, tzinfo=UTC, uuid_representation=UuidRepresentation.STANDARD
        )
        self.handle: AsyncIOMotorDatabase = self.client.get_database(
            name,
            codec_options=options,
            write_concern=WriteConcern(w="majority", j=True),
            read_concern=ReadConcern("majority"),
        )
        self.clock = Clock()
        self.recipients: Collection = self.handle["recipients"]
        self.notifications: Collection = self.handle["notifications"]
        self.deliveries: Collection = self.handle["deliveries"]
        self.templates: Collection = self.handle["templates"]
        self.suppressions: Collection = self.handle["suppressions"]
        self.api_keys: Collection = self.handle["api_keys"]
        self.rate_limits: Collection = self.handle["rate_limits"]
        self.endpoints: Collection = self.handle["endpoints"]
        self.state: Collection = self.handle["state"]

    async def ping(self, within: float = 2.0) -> None:
        """Ask the primary for its time and set the clock; raises `StoreUnavailableError`.

        ``within`` is in seconds.
        """
        await _ping(self, within)

    def close(self) -> None:
        """Close every connection; holds the event loop up for `CLOSE_TIMEOUT` at most."""
        # It tells the server which sessions end, and would search 10 s for one that is away.
        with pymongo.timeout(CLOSE_TIMEOUT):
            self.client.close()


@store_call
async def _ping(db: Database, within: float) -> None:
    asked_at, started = datetime.now(UTC), monotonic()
    with pymongo.timeout(within):
        reply = await db.handle.command("hello")
    if not reply.get("isWritablePrimary"):
        raise StoreUnavailableError("MongoDB has no primary at present")
    answered_at = asked_at + timedelta(seconds=monotonic() - started)
    # Replies to commands are decoded without the database's options: the time comes naive.
    db.clock.adjust(reply["localTime"].replace(tzinfo=UTC), asked_at, answered_at)
