"""Walking an audience page by page, from a cursor that a later start can go on from."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from fogbell.expansion.plan import Person, person_of_address, person_of_recipient
from fogbell.model.notification import Audience
from fogbell.store import recipients
from fogbell.store.database import Database


@dataclass(frozen=True, slots=True)
class Page:
    """People to plan for, named recipients who are gone, and the cursor once they are done."""

    people: list[Person]
    deleted: list[str]
    cursor: str


async def audience_pages(
    db: Database, audience: Audience, cursor: str | None, size: int
) -> AsyncIterator[Page]:
    """The audience from behind ``cursor``: named recipients, inline addresses, the directory.

    Cursors are ``1:<index>``, ``2:<index>``, ``3:<recipient id>``: as strings they grow.
    """
    async for page in _named_pages(db, audience, _index(cursor, "1"), size):
        yield page
    for start in range(_index(cursor, "2"), len(audience.addresses), size):
        chunk = audience.addresses[start : start + size]
        yield Page([person_of_address(a) for a in chunk], [], f"2:{start + len(chunk):08d}")
    if not audience.queries_directory:
        return
    after = cursor[2:] if cursor and cursor.startswith("3:") else None
    async for page in _directory_pages(db, audience, after, size):
        yield page


def _index(cursor: str | None, phase: str) -> int:
    """How many of ``phase`` are done, from a cursor."""
    if cursor is None or cursor[0] < phase:
        return 0
    return int(cursor[2:]) if cursor[0] == phase else 1 << 32


async def _named_pages(
    db: Database, audience: Audience, done: int, size: int
) -> AsyncIterator[Page]:
    for start in range(done, len(audience.recipients), size):
        chunk = audience.recipients[start : start + size]
        found = await recipients.read_many(db, [named.id for named in chunk])
        people = [person_of_recipient(found[n.id], n.data) for n in chunk if n.id in found]
        deleted = [n.id for n in chunk if n.id not in found]
        yield Page(people, deleted, f"1:{start + len(chunk):08d}")


async def _directory_pages(
    db: Database, audience: Audience, after: str | None, size: int
) -> AsyncIterator[Page]:
    while True:
        found, reached = await recipients.scan(
            db,
            groups=audience.groups,
            match=audience.match,
            everyone=audience.everyone,
            after=after,
            limit=size,
        )
        after = reached or (found[-1].id if found else None)
        if after is not None:
            yield Page([person_of_recipient(r) for r in found], [], f"3:{after}")
        if reached is None:
            return
