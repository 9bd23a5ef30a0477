"""What a batch needs is loaded whole, whatever other batches do to the cache meanwhile."""

import asyncio
from uuid import UUID

import pytest
from tests.support.deliveries import GRACE, LEASE, new_delivery
from tests.support.notifications import new_notification

from fogbell.model.content import Content, EmailContent
from fogbell.store import claims, notifications
from fogbell.store.database import Database
from fogbell.store.notifications import Accept
from fogbell_worker import loading
from fogbell_worker.loading import Loader

INLINE = {"addresses": {"email": "ann@example.org"}, "locale": None, "data": {}}


def post(db: Database) -> Accept:
    now = db.clock.now()
    content = Content(email=EmailContent(subject="Hi", text="there"))
    notification = new_notification(content=content, created_at=now)
    delivery = new_delivery(notification.id, "~ann", inline=INLINE)
    return Accept(notification, [delivery], now + GRACE, notification.status(now))


async def posted(db: Database, count: int) -> list[UUID]:
    """Deliveries of ``count`` notifications, one each."""
    posts = [post(db) for _ in range(count)]
    await notifications.accept(db, posts, GRACE)
    return [each.deliveries[0].id for each in posts]


async def test_batches_that_load_at_once_never_take_each_others_content(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "CACHED_NOTIFICATIONS", 8)
    ids = await posted(db, 120)
    loader = Loader(db)

    async def load(part: list[UUID]) -> int:
        claimed = await claims.claim(db, part, claims.new_token(), LEASE)
        loaded = await loader.load(claimed)
        assert loaded.unsent == []
        return len(loaded.works)

    parts = [ids[start : start + 10] for start in range(0, len(ids), 10)]
    assert sum(await asyncio.gather(*(load(part) for part in parts))) == len(ids)


async def test_a_delivery_of_a_deleted_notification_is_given_up(db: Database) -> None:
    (delivery,) = await posted(db, 1)
    (claimed,) = await claims.claim(db, [delivery], "token", LEASE)
    await db.notifications.delete_many({})
    loaded = await Loader(db).load([claimed])
    assert [record.verdict.reason for record in loaded.unsent] == ["notification_deleted"]
