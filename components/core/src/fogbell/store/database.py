"""The connection: collections with the durability that the protocol asks for, and the clock."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

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

from fogbell.store.commands import CommandTimer, OnCommand

Document = dict[str, Any]
OPTIONS: CodecOptions[Document] = CodecOptions(
    tz_aware=True, tzinfo=UTC, uuid_representation=UuidRepresentation.STANDARD
)
"""How documents are encoded and decoded."""

Collection = AsyncIOMotorCollection
Session = AsyncIOMotorClientSession
SyncDatabase = pymongo.database.Database[Document]

OPERATION_TIMEOUT_MS = 10_000
"""How long any one operation may take, its own retries and the search for a primary included."""

COUNT_TIMEOUT = 120.0
"""How long a background count of a whole run may take, in seconds (measured: 5 us a delivery)."""

CLOSE_TIMEOUT = 0.5

THREADS = 16
"""Trips at once of `Database.in_thread`; a thread is started when it is first needed."""

_GOING_AWAY = frozenset({91, 189, 10058, 10107, 11600, 11602, 13435, 13436})
"""What a node answers that stops or is no primary any more ("Retryable Writes" specification)."""

_INDEX_BUILD_ABORTED = 276
"""Whoever began the build has gone, or the node stops: asked for again, it is begun again."""

_REFUSALS = {
    13: "MongoDB does not let Fogbell's user do this (code 13). Give the user that"
    " FOGBELL_MONGODB_URI names the role readWrite on Fogbell's database.",
    18: "MongoDB does not take the user or the password (code 18). Correct FOGBELL_MONGODB_URI, in"
    " Kubernetes the Secret that it comes from, then restart Fogbell's pods.",
    8000: "MongoDB Atlas refuses Fogbell's user (code 8000). Look at the user, the password and the"
    " role of FOGBELL_MONGODB_URI, then at the limits of the cluster.",
}
"""Unauthorized, AuthenticationFailed, AtlasError (MongoDB's ``error_codes.yml``)."""

_LOGIN_REFUSALS = frozenset({18, 8000})

P = ParamSpec("P")
R = TypeVar("R")


class StoreUnavailableError(Exception):
    """MongoDB did not answer in time, or has no primary. The operation may have been applied."""


class StoreRefusedError(StoreUnavailableError):
    """MongoDB refuses who asks: wrong credentials, or a user without the right.

    What was refused was not applied. For whoever asks it is an outage all the same: it lasts until
    somebody mends it. The text says how, and holds nothing of MongoDB's own, which may quote the
    command: people and content.
    """

    def __init__(self, code: int) -> None:
        """``code`` is MongoDB's, one that `refusal` knows."""
        super().__init__(_REFUSALS[code])
        self.code = code


def store_call(
    call: Callable[Concatenate["Database", P], Awaitable[R]],
) -> Callable[Concatenate["Database", P], Awaitable[R]]:
    """Turn the driver's "not reachable" errors into `StoreUnavailableError`, refusals of who asks
    into `StoreRefusedError`; others pass.
    """

    @functools.wraps(call)
    async def translated(db: "Database", /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            result = await call(db, *args, **kwargs)
        except PyMongoError as error:
            code = refusal(error)
            if code is not None:
                raise db.refused(code) from None
            if is_unavailable(error):
                raise db.away(f"MongoDB is not available: {_said(error)}") from error
            raise
        db.admitted()
        return result

    return translated


def refusal(error: object) -> int | None:
    """The code with which MongoDB refuses who asks; None for any other error."""
    if isinstance(error, OperationFailure) and error.code in _REFUSALS:
        return error.code
    return None


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


def _said(error: PyMongoError) -> str:
    """Its text, for logs; a bulk write's quotes every document that was not written."""
    return "a bulk write was cut off" if isinstance(error, BulkWriteError) else str(error)


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

    def __init__(
        self,
        uri: str,
        name: str,
        *,
        app_name: str = "fogbell",
        on_command: OnCommand | None = None,
    ) -> None:
        self.client: AsyncIOMotorClient = AsyncIOMotorClient(
            uri,
            appname=app_name,
            uuidRepresentation="standard",
            tz_aware=True,
            timeoutMS=OPERATION_TIMEOUT_MS,
            serverSelectionTimeoutMS=OPERATION_TIMEOUT_MS,
            event_listeners=[CommandTimer(on_command)] if on_command else [],
        )
        self.handle: AsyncIOMotorDatabase = self.client.get_database(
            name,
            codec_options=OPTIONS,
            write_concern=WriteConcern(w="majority", j=True),
            read_concern=ReadConcern("majority"),
        )
        # Its own: the loop's default threads may all wait for the DNS.
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="fogbell-store")
        self.clock = Clock()
        self._login_refused: int | None = None
        self.recipients: Collection = self.handle["recipients"]
        self.notifications: Collection = self.handle["notifications"]
        self.deliveries: Collection = self.handle["deliveries"]
        self.chunks: Collection = self.handle["chunks"]
        self.templates: Collection = self.handle["templates"]
        self.suppressions: Collection = self.handle["suppressions"]
        self.api_keys: Collection = self.handle["api_keys"]
        self.rate_limits: Collection = self.handle["rate_limits"]
        self.endpoints: Collection = self.handle["endpoints"]
        self.state: Collection = self.handle["state"]

    async def in_thread(
        self,
        work: Callable[Concatenate[SyncDatabase, P], R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """Run operations that follow each other on one trip to a thread.

        Motor makes a trip for each, and on a busy event loop a trip takes longer than a round trip
        to MongoDB. Cancelled, ``work`` goes on; its result is lost.
        """
        beneath = cast("SyncDatabase", self.handle.delegate)
        # The context holds the time that `pymongo.timeout` leaves.
        call = functools.partial(copy_context().run, work, beneath, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def ping(self, within: float = 2.0) -> None:
        """Ask the primary for its time and set the clock; raises `StoreUnavailableError`.

        ``within`` is in seconds. It asks for nothing that takes a role: only a login is refused.
        """
        await _ping(self, within)

    def refused(self, code: int) -> StoreRefusedError:
        """The error for a call that MongoDB refused with ``code``."""
        if code in _LOGIN_REFUSALS:
            self._login_refused = code
        return StoreRefusedError(code)

    def away(self, why: str) -> StoreUnavailableError:
        """The error for a call without an answer: ``why``, or that the login was refused.

        After a refused login the driver takes the server for unknown until its monitor has seen it
        again, and its pool for paused: most calls meanwhile end without an answer of their own.
        """
        servers = self.client.topology_description.server_descriptions().values()
        errors = [server.error for server in servers]
        code = next((code for code in map(refusal, errors) if code is not None), None)
        if code is None and None in errors:
            # A server is there, as far as is known: what it said last still stands.
            code = self._login_refused
        return StoreUnavailableError(why) if code is None else self.refused(code)

    def admitted(self) -> None:
        """MongoDB has answered a call."""
        self._login_refused = None

    def close(self) -> None:
        """Close every connection; holds the event loop up for `CLOSE_TIMEOUT` at most."""
        # It tells the server which sessions end, and would search 10 s for one that is away.
        with pymongo.timeout(CLOSE_TIMEOUT):
            self.client.close()
        # What waits for a thread fails by itself: the client is closed.
        self._threads.shutdown(wait=False)


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
