"""Notifications with deliveries to be counted, for the tests of progress."""

from datetime import timedelta
from uuid import UUID

from tests.support.deliveries import GRACE, new_delivery
from tests.support.notifications import new_notification

from fogbell.model.notification import Progress
from fogbell.model.status import DeliveryStatus, NotificationStatus
from fogbell.store import deliveries, expansions, notifications, progress
from fogbell.store.database import Database, Document

S = DeliveryStatus
KEEP = timedelta(days=30)
"""The shortest retention."""
NOTHING = dict.fromkeys(S, 0)


async def made(db: Database, expected: dict[str, int] | None) -> UUID:
    """An expanded notification where ``expected`` is given; it is due for settling."""
    now = db.clock.now()
    number = None if expected is None else sum(expected.values())
    notification = new_notification(
        created_at=now,
        expanded_at=None if expected is None else now,
        expected=number,
        expected_by_channel=expected,
    )
    post = notifications.Accept(notification, [], now, NotificationStatus.SENDING)
    await notifications.accept(db, [post], GRACE)
    return notification.id


async def insert(db: Database, notification: UUID, status: S, number: int) -> list[UUID]:
    """Add so many mails of one status; their ids."""
    new = [new_delivery(notification, f"{status} {n}", status=status) for n in range(number)]
    await deliveries.insert(db, new, GRACE)
    return [delivery.id for delivery in new]


async def settle(db: Database) -> tuple[list[UUID], list[Progress]]:
    """Settle all that is due, as a sweep does; the pause grows with each look."""
    due = await progress.due_for_settling(db, db.clock.now(), 100)
    return await progress.settle(db, due, lambda looks: timedelta(seconds=10 * (looks + 1)), KEEP)


async def as_stored(db: Database, notification: UUID) -> Document:
    """A notification's document, which has to be there."""
    found = await db.notifications.find_one({"_id": notification})
    assert found is not None
    return dict(found)


async def expanding(db: Database, inserted: int) -> UUID:
    """A run that has been told to have so many deliveries by now."""
    notification = await made(db, None)
    await expansions.take(db, notification, "token", GRACE)
    given = {"email": inserted}
    assert await expansions.checkpoint(db, notification, "token", "3:x", GRACE, inserted=given)
    return notification
