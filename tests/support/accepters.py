"""Accepters of posts, and posts for them."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from tests.support.deliveries import GRACE, new_delivery
from tests.support.notifications import new_notification

from fogbell.broker import Publisher, Topology
from fogbell.identity import notification_id
from fogbell.model.status import NotificationStatus
from fogbell.store.database import Database
from fogbell.store.notifications import Accept
from fogbell_intake.accepting import Accepter, Coming, request_hash

_NOWHERE = Topology("nowhere.")


@contextlib.asynccontextmanager
async def accepting_for(
    db: Database, publisher: Publisher | None = None, coming: Coming | None = None
) -> AsyncIterator[Accepter]:
    """An accepter; without ``publisher`` every publish fails, which no post may notice."""
    unconnected = Publisher("amqp://127.0.0.1:1/", _NOWHERE, name="t", count=lambda *_: None)
    accepter = Accepter(db, publisher or unconnected, GRACE, coming)
    yield accepter
    await accepter.close()


def new_post(db: Database, people: int = 1, **fields: Any) -> Accept:
    """A post to ``people``; ``key`` derives its id, ``body`` its hash."""
    key, body = fields.pop("key", None), fields.pop("body", "the same")
    made = {"created_at": db.clock.now(), "request_hash": request_hash({"body": body})} | fields
    if key is not None:
        made["id"] = notification_id("shop", key)
    run = new_notification(**({"expanded_at": made["created_at"], "expected": people} | made))
    new = [new_delivery(run.id, f"r{n}", lane=run.lane) for n in range(people)]
    return Accept(run, new, db.clock.now(), NotificationStatus.SENDING)
