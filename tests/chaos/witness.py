"""What has settled is written down on the way: from then on only a replay may change it."""

import contextlib
from datetime import timedelta
from typing import Any

from pymongo.errors import PyMongoError
from tests.chaos.ground import Ground
from tests.support.waiting import eventually

SECONDS = 5.0
"""For which it is tried. After a fault MongoDB may still elect somebody."""

MARGIN = timedelta(seconds=60)
"""So much before the last one seen is read again: commits are not in the order of their times."""

_FIELDS = dict.fromkeys(("status", "settled_at", "replays"), True)


async def witness(ground: Ground) -> None:
    """Note every delivery that has settled, by a majority: that is never rolled back.

    Where MongoDB does not answer it is left to the next time.
    """
    with contextlib.suppress(AssertionError):
        await eventually(lambda: _noted(ground), SECONDS, 0.5)


async def _noted(ground: Ground) -> bool:
    books = ground.books
    query: dict[str, Any] = {"settled_at": {"$exists": True}}
    if books.witnessed_until is not None:
        query = {"settled_at": {"$gte": books.witnessed_until - MARGIN}}
    try:
        async with ground.database() as db:
            found = await db.deliveries.find(query, _FIELDS).to_list(None)
    except (PyMongoError, OSError):
        return False
    books.witness({document["_id"]: document for document in found})
    return True
