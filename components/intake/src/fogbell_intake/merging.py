"""Changing a recipient in part: a merge patch (RFC 7396), applied as compare-and-set."""

from typing import Any

from fogbell.model.recipient import Recipient
from fogbell.store import recipients
from fogbell.store.database import Database, StoreUnavailableError
from fogbell_intake.problems import validate

TRIES = 10
"""How often a change that met another one is made again, upon what that one left."""


def merged(target: Any, patch: Any) -> Any:
    """``target`` after ``patch``: the algorithm of RFC 7396, section 2. Neither is changed."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


async def change_recipient(
    db: Database, recipient_id: str, patch: dict[str, Any]
) -> Recipient | None:
    """The recipient after ``patch``, or None where there is none.

    Raises a 422 `Problem` where the result is no recipient. Two changes at once both count: the
    later one is applied to what the earlier one made.
    """
    for _ in range(TRIES):
        before = await recipients.get_document(db, recipient_id)
        if before is None:
            return None
        stored = {name: value for name, value in before.items() if name != "_id"}
        after = validate(Recipient, merged(stored, patch) | {"id": recipient_id})
        if await recipients.replace(db, before, after):
            return after
    raise StoreUnavailableError("the recipient was changed by others again and again")
