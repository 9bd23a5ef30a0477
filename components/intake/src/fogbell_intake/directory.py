"""The recipients that posts name, looked up in one query for all posts that wait.

A lone post's lookup begins at once; while one is in flight, the next ones gather. There is no
timer. A query each took a quarter of what a post costs, most of it on the way to the driver's
threads and back.
"""

import asyncio
import contextvars
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from fogbell.model.recipient import Recipient
from fogbell.store import recipients
from fogbell.store.database import Database, StoreUnavailableError

MOST_IDS = 2_000
"""Ids a query; a post that names more people than are left goes with the next one."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    ids: Collection[str]
    found: "asyncio.Future[Mapping[str, Recipient]]"


class Directory:
    """Reads recipients for posts. Nothing is remembered: each query begins after its posts came,
    so that they see whoever was put, and miss whoever was deleted, before them.

    Opens nothing and needs no closing.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._waiting: list[_Waiting] = []
        self._under_way: Sequence[_Waiting] = ()
        self._reader: asyncio.Task[None] | None = None

    async def read(self, ids: Collection[str]) -> Mapping[str, Recipient]:
        """Those of ``ids`` that exist, perhaps among others. Raises `StoreUnavailableError`."""
        waiting = _Waiting(ids, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._reader is None:
            # A task of its own: whoever came first may go away, and the others still wait. In no
            # context: what it logs is of no single request.
            self._reader = asyncio.create_task(self._read_all(), context=contextvars.Context())
        return await waiting.found

    @property
    def asking(self) -> int:
        """How many posts the query under way is for."""
        return len(self._under_way)

    async def caught_up(self) -> None:
        """Return once those are answered."""
        if self._under_way:
            await asyncio.wait([self._under_way[-1].found])

    async def _read_all(self) -> None:
        try:
            while group := self._take():
                self._under_way = group
                await self._answer(group)
        finally:
            self._under_way = ()
            self._reader = None

    def _take(self) -> list[_Waiting]:
        waiting = [w for w in self._waiting if not w.found.done()]
        size = ids = 0
        for one in waiting:
            ids += len(one.ids)
            if size and ids > MOST_IDS:
                break
            size += 1
        self._waiting = waiting[size:]
        return waiting[:size]

    async def _answer(self, group: Sequence[_Waiting]) -> None:
        wanted = {name for waiting in group for name in waiting.ids}
        try:
            found = await recipients.read_many(self._db, list(wanted))
        except StoreUnavailableError as error:
            # The next queries would only find out the same, ten seconds each.
            gone, self._waiting = self._waiting, []
            _fail((*group, *gone), error)
        except Exception as error:
            await self._one_by_one(group, error)
        else:
            for waiting in group:
                if not waiting.found.done():
                    waiting.found.set_result(found)

    async def _one_by_one(self, group: Sequence[_Waiting], error: Exception) -> None:
        """A record that cannot be read costs those alone who ask for it."""
        if len(group) == 1:
            _fail(group, error)
            return
        for waiting in group:
            if not waiting.found.done():
                await self._answer([waiting])


def _fail(group: Sequence[_Waiting], error: Exception) -> None:
    for waiting in group:
        if not waiting.found.done():
            waiting.found.set_exception(error)
