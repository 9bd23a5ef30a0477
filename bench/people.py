"""The recipients of a bench, as Fogbell's directory stores them."""

from collections.abc import Iterator
from typing import Any

from fogbell.model.recipient import Recipient
from fogbell.store.database import Database
from fogbell.store.recipients import recipient_document

GROUP = "everyone"
_PAGE = 10_000


async def seed(db: Database, count: int) -> None:
    """Store ``count`` people, all of one group."""
    for start in range(0, count, _PAGE):
        page = list(_documents(start, min(start + _PAGE, count)))
        await db.recipients.insert_many(page, ordered=False)


def recipient_id(number: int) -> str:
    """Ids sort as the numbers do."""
    return f"r{number:08d}"


def _documents(start: int, end: int) -> Iterator[dict[str, Any]]:
    """One is made by the model; the others differ from it in what is a person's own."""
    one = Recipient(
        id=recipient_id(0),
        locale="en",
        groups=[GROUP],
        attributes={"first_name": "Ann", "plan": "premium"},
    )
    pattern = recipient_document(one)
    for number in range(start, end):
        name = recipient_id(number)
        yield {**pattern, "_id": name, "addresses": {"email": f"{name}@example.org"}}
