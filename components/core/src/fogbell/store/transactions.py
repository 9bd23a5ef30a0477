"""Changing several documents at once, or none of them.

A process that dies within a transaction leaves it open, and MongoDB ends it only after
``transactionLifetimeLimitSeconds``: 60, if nobody has set it otherwise. Until then whatever it has
written cannot be changed within another one. The driver's ``with_transaction`` would try for two
minutes, as fast as it can; here whoever meets that is told soon, and comes back later.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import pymongo
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern

from fogbell.store.database import Database, Session, StoreUnavailableError

R = TypeVar("R")

CONFLICTS = frozenset({112, 246, 251})
"""WriteConflict, SnapshotUnavailable, NoSuchTransaction: aborted, for the sake of another one."""

PAUSES = (0.01, 0.05, 0.2, 0.5)
"""Seconds before each further try, by half at most shorter or longer: who is alive is through by
then, and several that meet do not meet again."""

ABORT_TIMEOUT = 5.0
"""Seconds; what MongoDB has not heard of by then it ends itself."""


class ContendedError(StoreUnavailableError):
    """Somebody else's transaction has changed the same documents, and does not end."""


async def transact(
    db: Database, work: Callable[[Session], Awaitable[R]], read_concern: ReadConcern
) -> R:
    """What ``work`` returns, once all that it wrote in the session is committed.

    ``work`` may be called several times. Whoever is cancelled during it waits for its end, and
    nothing is committed; a commit that has begun goes through. (The end of the event loop itself
    spares nobody.) Raises `ContendedError`, and what the driver raises: after that it may have been
    committed.
    """
    pauses = iter(PAUSES)
    async with await db.client.start_session() as session:
        while True:
            try:
                return await _attempt(db, session, work, read_concern)
            except OperationFailure as error:
                if error.code not in CONFLICTS:
                    raise
                pause = next(pauses, None)
                if pause is None:
                    raise ContendedError("another transaction holds what this changes") from error
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 (no secret)


async def _attempt(
    db: Database,
    session: Session,
    work: Callable[[Session], Awaitable[R]],
    read_concern: ReadConcern,
) -> R:
    write_concern = db.handle.write_concern
    session.start_transaction(read_concern=read_concern, write_concern=write_concern)
    try:
        result = await _through(work(session))
    except BaseException:
        with pymongo.timeout(ABORT_TIMEOUT):
            await _through(session.abort_transaction())
        raise
    await _through(_commit(session))
    return result


async def _commit(session: Session) -> None:
    await session.commit_transaction()


async def _through(step: Awaitable[R]) -> R:
    """What ``step`` returns. Where the caller is cancelled meanwhile, ``step`` ends first.

    It goes on in a thread of the driver's anyhow. The session's end would abort what is being
    committed; an operation that comes after the abort would be one of no transaction, and stay.
    """
    going = asyncio.ensure_future(step)
    try:
        return await asyncio.shield(going)
    except asyncio.CancelledError:
        while not going.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait({going})
        if not going.cancelled():
            going.exception()  # it has been asked for: nobody else will
        raise
