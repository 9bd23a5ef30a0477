"""What an app is to be told: endpoints, posts that are to be reported, and what comes of them."""

from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from pydantic import SecretStr
from tests.support.deliveries import GRACE, new_delivery
from tests.support.notifications import new_notification

from fogbell.identity import uuid7
from fogbell.model.endpoint import Endpoint, EventType
from fogbell.model.notification import Notification
from fogbell.model.status import DeliveryStatus, NotificationStatus
from fogbell.store import endpoints, notifications, progress, reporting
from fogbell.store.database import Database
from fogbell.store.notifications import Accept
from fogbell.store.transactions import ContendedError

SECRET = "whsec_" + "c2VjcmV0" * 4
BOTH = frozenset(EventType)
KEEP = timedelta(days=30)


def new_endpoint(db: Database, **fields: Any) -> Endpoint:
    """An endpoint of the app ``shop`` for every event; ``fields`` replace what it is made of."""
    made: dict[str, Any] = {
        "id": str(uuid7()),
        "app": "shop",
        "url": "http://127.0.0.1:9/hook",
        "secret": SecretStr(SECRET),
        "events": BOTH,
        "created_at": db.clock.now(),
    }
    return Endpoint(**{**made, **fields})


async def stored_endpoint(db: Database, **fields: Any) -> Endpoint:
    """An endpoint that is stored."""
    endpoint = new_endpoint(db, **fields)
    await endpoints.insert(db, endpoint)
    return endpoint


async def posted(
    db: Database, number: int = 1, status: DeliveryStatus = DeliveryStatus.SKIPPED, **fields: Any
) -> tuple[Notification, list[UUID]]:
    """A notification to ``number`` people that is to be reported; ``fields`` are its own."""
    now = db.clock.now()
    made: dict[str, Any] = {
        "created_at": now,
        "expanded_at": now,
        "expected": number,
        "expected_by_channel": {"email": number},
        "reports": BOTH,
    }
    post = new_notification(**{**made, **fields})
    report = EventType.DELIVERY_SETTLED in post.reports
    new = [new_delivery(post.id, f"r{n}", status=status, report=report) for n in range(number)]
    accept = Accept(post, new, now, NotificationStatus.SENDING)
    await notifications.accept(db, [accept], GRACE)
    return post, [delivery.id for delivery in new]


async def settle(db: Database, post: Notification) -> None:
    """Freeze the totals of a notification with nothing outstanding."""
    candidate = await progress.unsettled(db, post.id)
    assert candidate is not None
    settled, _ = await progress.settle(db, [candidate], lambda _: GRACE, KEEP)
    assert settled == [post.id]


async def report(db: Database) -> int:
    """What sweeps do of it; how many callbacks came of it."""
    made = 0
    for event in EventType:
        while True:
            reported = await _page(db, event)
            made += len(reported.ids)
            if not reported.full:
                break
    return made


async def _page(db: Database, event: EventType) -> reporting.Reported:
    """A page's worth, by a later sweep where another transaction stands in the way of some."""
    for _ in range(4):
        with suppress(ContendedError):
            return await reporting.report(db, event, GRACE, GRACE)
    return await reporting.report(db, event, GRACE, GRACE)


async def told(db: Database) -> list[dict[str, Any]]:
    """The messages of every callback delivery that there is."""
    cursor = db.deliveries.find({"inline.endpoint": {"$exists": True}}, {"inline": True})
    return [document["inline"]["message"] async for document in cursor]


async def subjects(db: Database) -> Counter[tuple[str, str, int]]:
    """How often each event was created: by its type, whom it is about, and the replay."""
    return Counter(
        (message["type"], message["data"]["id"], message["data"]["replays"])
        for message in await told(db)
    )
