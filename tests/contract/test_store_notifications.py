"""Accepting notifications on a real MongoDB: whole or not at all, and once."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.deliveries import GRACE, new_delivery
from tests.support.notifications import new_notification

from fogbell.identity import notification_id, uuid7
from fogbell.model.content import Content
from fogbell.model.delivery import NewDelivery
from fogbell.model.notification import (
    Audience,
    InlineAddress,
    NamedRecipient,
    Notification,
    Origin,
    OriginType,
    TemplateRef,
)
from fogbell.model.status import Channel, Lane, NotificationStatus
from fogbell.store import deliveries, notifications
from fogbell.store.database import Database
from fogbell.store.notifications import Accept, AcceptConflictError, Stored

SENDING, EXPANDING = NotificationStatus.SENDING, NotificationStatus.EXPANDING
NOW = datetime(2026, 5, 1, 12, 0, 0, 123_000, tzinfo=UTC)


def _post(people: int = 2, **fields: Any) -> Accept:
    notification = new_notification(created_at=NOW, expected=people, **fields)
    new = [new_delivery(notification.id, f"r{n}") for n in range(people)]
    return Accept(notification, new, NOW + GRACE, SENDING)


async def _counts(db: Database) -> tuple[int, int]:
    return (
        await db.notifications.count_documents({}),
        await db.deliveries.count_documents({}),
    )


async def test_a_notification_is_stored_with_its_deliveries(db: Database) -> None:
    post = _post(3)
    await notifications.accept(db, [post], GRACE)
    assert await notifications.get(db, post.notification.id) == post.notification
    ids = [d.id for d in post.deliveries]
    assert await deliveries.existing(db, ids) == set(ids)


async def test_many_posts_are_stored_in_one_go(db: Database) -> None:
    posts = [_post(2), _post(0), _post(5)]
    await notifications.accept(db, posts, GRACE)
    assert await _counts(db) == (3, 7)
    found = await notifications.get_many(db, [p.notification.id for p in posts])
    assert found.keys() == {p.notification.id for p in posts}


@pytest.mark.parametrize("posts", [1, 9])
async def test_posts_are_stored_wherever_the_uri_would_have_reads_go(
    mongo_uri: str, database_name: str, posts: int
) -> None:
    db = Database(f"{mongo_uri}&readPreference=secondaryPreferred", database_name)
    await notifications.accept(db, [_post(1) for _ in range(posts)], GRACE)
    assert await _counts(db) == (posts, posts)
    db.close()


async def test_a_small_commit_is_no_bulk_write(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pymongo.collection.Collection.insert_many", None)
    await notifications.accept(db, [_post(2)], GRACE)
    assert await _counts(db) == (1, 2)


@pytest.fixture(params=["few", "many", "large"])
def _each_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit's documents as a plain command, and by the driver: too many, or too large."""
    monkeypatch.setattr(notifications, "FEW", 0 if request.param == "many" else 100)
    if request.param == "large":
        monkeypatch.setattr(notifications, "FEW_BYTES", 10)


@pytest.mark.usefixtures("_each_way")
async def test_one_duplicate_delivery_aborts_everything(db: Database) -> None:
    there = new_delivery()
    await deliveries.insert(db, [there], GRACE)
    twin = Accept(new_notification(created_at=NOW), [there], NOW, SENDING)
    with pytest.raises(AcceptConflictError):
        await notifications.accept(db, [_post(), twin, _post()], GRACE)
    assert await _counts(db) == (0, 1)


@pytest.mark.parametrize("people", [0, 2])
async def test_a_notification_that_exists_aborts_everything(db: Database, people: int) -> None:
    first = _post(people)
    await notifications.accept(db, [first], GRACE)
    again = Accept(first.notification, [new_delivery(recipient="bob")], NOW, SENDING)
    alone = Accept(first.notification, [], NOW, SENDING)
    for posts in ([again], [alone], [_post(), again], [alone, _post(0)]):
        with pytest.raises(AcceptConflictError):
            await notifications.accept(db, posts, GRACE)
    assert await _counts(db) == (1, people)


@pytest.mark.usefixtures("_each_way")
async def test_posts_with_the_same_key_at_the_same_time_are_stored_once(db: Database) -> None:
    for lap in range(10):
        key = notification_id("shop", f"order {lap}")
        new = [new_delivery(key, f"r{n}") for n in range(3)]
        post = Accept(new_notification(id=key, created_at=NOW), new, NOW, SENDING)

        async def accept(post: Accept) -> bool:
            try:
                await notifications.accept(db, [post], GRACE)
            except AcceptConflictError:
                return False
            return True

        assert sorted(await asyncio.gather(*(accept(post) for _ in range(3)))) == [
            False,
            False,
            True,
        ]
    assert await _counts(db) == (10, 30)


async def test_posts_at_the_same_time_do_not_disturb_each_other(db: Database) -> None:
    batches = [[_post(3) for _ in range(4)] for _ in range(12)]
    await asyncio.gather(*(notifications.accept(db, batch, GRACE) for batch in batches))
    assert await _counts(db) == (48, 144)


async def test_what_is_stored_answers_a_repeated_post(db: Database) -> None:
    first = _post(2, request_hash=b"first")
    second = Accept(new_notification(created_at=NOW), [], NOW, EXPANDING)
    await notifications.accept(db, [first, second], GRACE)
    ids = [first.notification.id, second.notification.id]
    assert await notifications.stored(db, [*ids, uuid7()]) == {
        ids[0]: Stored(b"first", NOW, SENDING, 2),
        ids[1]: Stored(None, NOW, EXPANDING, None),
    }


async def test_the_answer_to_a_repeated_post_stays_what_it_was(db: Database) -> None:
    post = Accept(new_notification(created_at=NOW), [], NOW, EXPANDING)
    await notifications.accept(db, [post], GRACE)
    later = {"expected": 7, "expanded_at": NOW, "settled_at": NOW}
    await db.notifications.update_one({"_id": post.notification.id}, {"$set": later})
    stored = await notifications.stored(db, [post.notification.id])
    assert stored[post.notification.id] == Stored(None, NOW, EXPANDING, None)


def _everything_set() -> Notification:
    content = {
        "email": {"subject": "Hi", "text": "T", "from": "Shop <s@example.org>"},
        "webhook": {"type": "t", "data": {"null": None, "$a.b": [1, None, {"c": None}]}},
        "inbox": {"title": "Hi", "data": {"kept": None}},
    }
    address = InlineAddress("~1", {"email": "x@example.org"}, "de", {"seat": None, "$x.y": 1})
    return new_notification(
        origin=Origin(OriginType.CAMPAIGN, "news/weekly", simulate=True),
        channels=(Channel.EMAIL, Channel.WEBHOOK),
        lane=Lane.BULK,
        audience=Audience(
            recipients=(NamedRecipient("ann", {"seat": "4A"}), NamedRecipient("bob")),
            addresses=(address, InlineAddress("~2", {"sms": "+31612345678"})),
            groups=("a", "b"),
            match={"country": "NL", "plan": {"in": ["pro"]}, "a.b": {"gte": 1}},
            everyone=True,
        ),
        template=TemplateRef("welcome", 3),
        content=Content.model_validate(content),
        data={"order": "A-1", "$where": 1, "a.b": {"$gt": ""}, "": None},
        topic="orders",
        reference="A-1",
        metadata={"$k": "$v"},
        throttle_per_second=10,
        request_hash=b"\x00\xff",
        created_at=NOW,
        send_at=NOW + timedelta(hours=1),
        expires_at=NOW + timedelta(days=1),
        cancelled_at=NOW,
        expanded_at=NOW,
        settled_at=NOW,
        expected=3,
        expected_by_channel={"email": 2, "webhook": 1},
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )


@pytest.mark.usefixtures("_each_way")
@pytest.mark.parametrize("people", [0, 1])
async def test_a_notification_reads_back_as_it_was_given(db: Database, people: int) -> None:
    for notification in (_everything_set(), new_notification(created_at=NOW)):
        new: list[NewDelivery] = [new_delivery(notification.id) for _ in range(people)]
        await notifications.accept(db, [Accept(notification, new, None, SENDING)], GRACE)
        assert await notifications.get(db, notification.id) == notification


async def test_only_a_traced_post_carries_its_trace(db: Database) -> None:
    post = _post(0)
    await notifications.accept(db, [post], GRACE)
    (stored,) = await db.notifications.find({}).to_list(None)
    assert "traceparent" not in stored


async def test_fields_of_a_newer_version_are_passed_over(db: Database) -> None:
    post = _post(0)
    await notifications.accept(db, [post], GRACE)
    await db.notifications.update_one({}, {"$set": {"of_a_newer_version": 1}})
    assert await notifications.get(db, post.notification.id) == post.notification


async def test_a_notification_that_is_settled_already_is_never_looked_at(db: Database) -> None:
    frozen = {"frozen": {}, "settled_at": NOW, "purge_at": NOW + timedelta(days=90)}
    settled = Accept(new_notification(created_at=NOW), [], None, SENDING, frozen)
    waiting = _post(1)
    await notifications.accept(db, [settled, waiting], GRACE)
    stored = await db.notifications.find_one({"_id": settled.notification.id})
    assert stored is not None
    assert "sweep_at" not in stored
    assert {name: stored[name] for name in frozen} == frozen
    looked_at = await db.notifications.find({"sweep_at": {"$exists": True}}).to_list(None)
    assert [(d["_id"], d["sweep_at"]) for d in looked_at] == [
        (waiting.notification.id, NOW + GRACE)
    ]


async def test_workers_read_notifications_without_their_audiences(db: Database) -> None:
    notification = _everything_set()
    await notifications.accept(db, [Accept(notification, [], None, SENDING)], GRACE)
    found = await notifications.get_many(db, [notification.id, notification.id, uuid7()])
    assert found.keys() == {notification.id}
    assert found[notification.id].audience == Audience()
    assert found[notification.id].data == notification.data


async def test_what_may_stop_a_send_is_read_for_each_notification(db: Database) -> None:
    ending, endless, gone = _everything_set(), new_notification(created_at=NOW), uuid7()
    posts = [Accept(n, [], None, SENDING) for n in (ending, endless)]
    await notifications.accept(db, posts, GRACE)
    assert await notifications.endings(db, [ending.id, endless.id, gone]) == {
        ending.id: notifications.Ending(NOW, NOW + timedelta(days=1)),
        endless.id: notifications.Ending(None, None),
    }
