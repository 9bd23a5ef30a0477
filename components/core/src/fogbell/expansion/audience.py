"""Walking an audience page by page, from a cursor that a later start can go on from."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

from fogbell.expansion.plan import Person, person_of_address, person_of_recipient
from fogbell.model.notification import Audience
from fogbell.model.recipient import Reach
from fogbell.model.status import Channel
from fogbell.store import recipients
from fogbell.store.database import Database


@dataclass(frozen=True, slots=True)
class Page:
    """People to plan for, named recipients who are gone, and the cursor once they are done.

    ``reach`` is of people of whom no more was read.
    """

    cursor: str
    people: list[Person] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    reach: Reach | None = None

    @property
    def size(self) -> int:
        """How many people it has."""
        return len(self.people) + (len(self.reach.ids) if self.reach else 0)


Pages = AsyncGenerator[Page, None]


async def audience_pages(
    db: Database,
    audience: Audience,
    cursor: str | None,
    size: int,
    reach: Sequence[Channel] | None = None,
) -> Pages:
    """The audience from behind ``cursor``: named recipients, inline addresses, the directory.

    Of the directory's no more is read than whether channels reach them, where ``reach`` names some.
    Cursors are ``1:<index>``, ``2:<index>``, ``3:<recipient id>``: as strings they grow.
    """
    async for page in _named_pages(db, audience, _index(cursor, "1"), size):
        yield page
    for start in range(_index(cursor, "2"), len(audience.addresses), size):
        chunk = audience.addresses[start : start + size]
        yield Page(f"2:{start + len(chunk):08d}", [person_of_address(a) for a in chunk])
    if not audience.queries_directory:
        return
    after = cursor[2:] if cursor and cursor.startswith("3:") else None
    async for page in _directory_pages(db, audience, after, size, reach):
        yield page


async def ahead(pages: Pages) -> Pages:
    """The same pages; while one of them is worked on the next is read."""
    reading = asyncio.create_task(_next(pages))
    try:
        while (page := await reading) is not None:
            reading = asyncio.create_task(_next(pages))
            yield page
    finally:
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({reading})


async def _next(pages: Pages) -> Page | None:
    return await anext(pages, None)


def _index(cursor: str | None, phase: str) -> int:
    """How many of ``phase`` are done, from a cursor."""
    if cursor is None or cursor[0] < phase:
        return 0
    return int(cursor[2:]) if cursor[0] == phase else 1 << 32


async def _named_pages(db: Database, audience: Audience, done: int, size: int) -> Pages:
    for start in range(done, len(audience.recipients), size):
        chunk = audience.recipients[start : start + size]
        found = await recipients.read_many(db, [named.id for named in chunk])
        people = [person_of_recipient(found[n.id], n.data) for n in chunk if n.id in found]
        deleted = [n.id for n in chunk if n.id not in found]
        yield Page(f"1:{start + len(chunk):08d}", people, deleted)


async def _directory_pages(
    db: Database,
    audience: Audience,
    after: str | None,
    size: int,
    channels: Sequence[Channel] | None,
) -> Pages:
    groups, match, everyone = audience.groups, audience.match, audience.everyone
    while True:
        people: list[Person] = []
        reach: Reach | None = None
        if channels is None:
            found, reached = await recipients.scan(
                db, groups=groups, match=match, everyone=everyone, after=after, limit=size
            )
            people = [person_of_recipient(recipient) for recipient in found]
            last = found[-1].id if found else None
        else:
            reach, reached = await recipients.scan_reach(
                db, channels, groups=groups, match=match, everyone=everyone, after=after, limit=size
            )
            last = reach.ids[-1] if reach.ids else None
        after = reached or last
        if after is not None:
            yield Page(f"3:{after}", people, reach=reach)
        if reached is None:
            return
