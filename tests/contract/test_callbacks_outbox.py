"""What has settled is told once, whatever ends the process that tells it."""

import asyncio
import contextlib
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.support.callbacks import (
    BOTH,
    KEEP,
    new_endpoint,
    posted,
    report,
    settle,
    stored_endpoint,
    subjects,
    told,
)
from tests.support.deliveries import GRACE, LEASE, attempt, claim_all, documents
from tests.support.notifications import SHOP

from fogbell.broker import Publisher, Topology
from fogbell.identity import delivery_range
from fogbell.model.endpoint import EventType
from fogbell.model.notification import Origin, OriginType
from fogbell.model.status import Cause, DeliveryStatus
from fogbell.policy import Retention, Verdict
from fogbell.store import (
    cancelling,
    endpoints,
    notifications,
    progress,
    records,
    replay_pages,
    replaying,
    reporting,
    retention,
)
from fogbell.store.database import Database
from fogbell.store.records import Record
from fogbell.store.replaying import Replay, Selection
from fogbell_retry.metrics import RetryMetrics
from fogbell_retry.reporting import Reporter

DELIVERY, NOTIFICATION = EventType.DELIVERY_SETTLED, EventType.NOTIFICATION_SETTLED


def of(event: EventType, *ids: UUID, replays: int = 0) -> dict[tuple[str, str, int], int]:
    return {(event.value, str(id_), replays): 1 for id_ in ids}


async def test_what_settles_is_told_once_and_never_again(db: Database) -> None:
    endpoint = await stored_endpoint(db)
    post, ids = await posted(db, 3)
    await settle(db, post)
    assert await report(db) == 4
    assert await report(db) == 0
    assert await subjects(db) == of(DELIVERY, *ids) | of(NOTIFICATION, post.id)
    made = [d async for d in db.notifications.find({"origin.type": "callback"})]
    assert sorted(d["expected"] for d in made) == [1, 3]
    assert {d["lane"] for d in made} == {"bulk"}
    async for delivery in db.deliveries.find({"inline.endpoint": endpoint.id}):
        first, last = delivery_range(delivery["notification_id"])
        assert first <= delivery["_id"] <= last
        assert "secret" not in str(delivery)
        assert endpoint.url not in str(delivery)


async def test_what_is_not_settled_yet_is_not_told(db: Database) -> None:
    await stored_endpoint(db)
    _, (delivery,) = await posted(db, 1, DeliveryStatus.PENDING)
    assert await report(db) == 0
    claimed = await claim_all(db, [delivery])
    accepted = Record(claimed[delivery], Verdict(Cause.ACCEPTED), attempt())
    await records.record(db, [accepted])
    assert await report(db) == 1
    (message,) = await told(db)
    assert (message["data"]["status"], message["data"]["attempt_count"]) == ("delivered", 1)


async def test_an_app_without_endpoints_is_in_no_outbox(db: Database) -> None:
    await stored_endpoint(db, app="other")
    post, ids = await posted(db, 2, reports=frozenset())
    await settle(db, post)
    assert await report(db) == 0
    assert all("report" not in document for document in (await documents(db, ids)).values())


async def test_each_endpoint_is_told_of_what_it_wants_and_of_its_own_app_alone(
    db: Database,
) -> None:
    ends = await stored_endpoint(db, events=frozenset({NOTIFICATION}))
    every = await stored_endpoint(db)
    await stored_endpoint(db, app="other")
    gone = await stored_endpoint(db)
    await endpoints.disable(db, gone.id)
    post, _ = await posted(db, 2)
    await settle(db, post)
    assert await report(db) == 4
    cursor = db.deliveries.find({"inline.endpoint": {"$exists": True}})
    got = [(d["inline"]["endpoint"], d["inline"]["message"]["type"]) async for d in cursor]
    assert sorted(got) == sorted(
        [(ends.id, NOTIFICATION.value), (every.id, NOTIFICATION.value)]
        + [(every.id, DELIVERY.value)] * 2
    )


async def test_callbacks_settle_and_are_told_to_nobody(db: Database) -> None:
    await stored_endpoint(db)
    await posted(db, 1)
    assert await report(db) == 1
    cursor = db.deliveries.find({"inline.endpoint": {"$exists": True}}, {"_id": True})
    claimed = await claim_all(db, [d["_id"] async for d in cursor])
    done = [Record(c, Verdict(Cause.ACCEPTED), attempt()) for c in claimed.values()]
    await records.record(db, done)
    callback = (await claims_of(db))[0]
    candidate = await progress.unsettled(db, callback)
    assert candidate is not None
    settled, _ = await progress.settle(db, [candidate], lambda _: GRACE, KEEP)
    assert settled == [callback]
    assert await report(db) == 0
    await purge(db)
    assert await claims_of(db) == []
    assert await db.deliveries.count_documents({"inline.endpoint": {"$exists": True}}) == 0


@pytest.mark.parametrize("events", [{DELIVERY}, {NOTIFICATION}, BOTH])
async def test_what_is_still_to_be_told_outlives_its_retention(
    db: Database, events: set[EventType]
) -> None:
    """However long no sweep could tell: a retention may be short, and an outbox long."""
    await stored_endpoint(db)
    post, ids = await posted(db, 2, reports=frozenset(events))
    await settle(db, post)
    quiet, _ = await posted(db, 1, reports=frozenset())
    await settle(db, quiet)
    await purge(db)
    assert await notifications.get(db, quiet.id) is None
    await report(db)
    expected = of(DELIVERY, *ids) if DELIVERY in events else {}
    expected |= of(NOTIFICATION, post.id) if NOTIFICATION in events else {}
    assert await subjects(db) == expected
    await purge(db)
    assert await notifications.get(db, post.id) is None
    assert await documents(db, ids) == {}


async def purge(db: Database) -> None:
    """As if every retention were over."""
    settled = {"settled_at": {"$exists": True}}
    await db.notifications.update_many(settled, {"$set": {"purge_at": db.clock.now()}})
    await retention.purge(db, Retention(*[timedelta(0)] * 3), 5)


async def claims_of(db: Database) -> list[UUID]:
    return [d["_id"] async for d in db.notifications.find({"origin.type": "callback"})]


async def test_a_crash_between_the_two_halves_leaves_neither(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stored_endpoint(db)
    _, (delivery,) = await posted(db, 1)
    insert = reporting._insert

    async def cut_off(*arguments: object) -> list[UUID]:
        await insert(*arguments)  # type: ignore[arg-type]
        raise asyncio.CancelledError

    monkeypatch.setattr(reporting, "_insert", cut_off)
    with pytest.raises(asyncio.CancelledError):
        await report(db)
    assert await told(db) == []
    monkeypatch.undo()
    assert await report(db) == 1
    assert await subjects(db) == of(DELIVERY, delivery)


async def test_however_often_reporters_are_cut_off_each_event_is_created_once(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "PAGE", 7)
    await stored_endpoint(db)
    posts = [await posted(db, 20) for _ in range(3)]
    for n in range(40):
        task = asyncio.create_task(report(db))
        await asyncio.wait({task}, timeout=0.002 * (n % 12))
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await report(db)
    assert await subjects(db) == of(DELIVERY, *(id_ for _, ids in posts for id_ in ids))


async def test_reporters_at_once_create_each_event_once(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "PAGE", 10)
    await stored_endpoint(db)
    post, ids = await posted(db, 60)
    await settle(db, post)
    made = await asyncio.gather(*(report(db) for _ in range(4)))
    assert sum(made) == 61
    assert await subjects(db) == of(DELIVERY, *ids) | of(NOTIFICATION, post.id)


async def test_a_page_that_weighs_too_much_for_one_transaction_is_told_in_several(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "MOST_BYTES", 4_000)
    for _ in range(2):
        await stored_endpoint(db)
    heavy = [await settled(db, metadata={"k": "x" * 3_000}) for _ in range(3)]
    light = [await settled(db) for _ in range(3)]
    made: list[reporting.Reported] = []
    while not made or made[-1].full:
        made.append(await reporting.report(db, NOTIFICATION, GRACE, GRACE))
    # What is too heavy by itself goes alone.
    assert [len(each.ids) for each in made[:3]] == [2, 2, 2]
    assert await subjects(db) == dict.fromkeys(of(NOTIFICATION, *heavy, *light), 2)


async def settled(db: Database, **fields: Any) -> UUID:
    post, _ = await posted(db, 1, reports=frozenset({NOTIFICATION}), **fields)
    await settle(db, post)
    return post.id


async def test_a_replay_is_told_again_with_its_number(db: Database) -> None:
    await stored_endpoint(db)
    post, (delivery,) = await posted(db, 1)
    await settle(db, post)
    await report(db)
    await replay(db, post.id)
    assert await report(db) == 0
    claimed = await claim_all(db, [delivery])
    await records.record(db, [Record(claimed[delivery], Verdict(Cause.ACCEPTED), attempt())])
    await settle(db, post)
    assert await report(db) == 2
    first = of(DELIVERY, delivery) | of(NOTIFICATION, post.id)
    again = of(DELIVERY, delivery, replays=1) | of(NOTIFICATION, post.id, replays=1)
    assert await subjects(db) == first | again
    ids = [d["_id"] async for d in db.deliveries.find({"inline.endpoint": {"$exists": True}})]
    assert len(set(ids)) == 4


async def test_a_replay_of_what_nobody_asked_about_is_told_to_nobody(db: Database) -> None:
    await stored_endpoint(db)
    post, (delivery,) = await posted(db, 1, reports=frozenset())
    await settle(db, post)
    await replay(db, post.id)
    assert "report" not in (await documents(db, [delivery]))[delivery]


async def replay(db: Database, post: UUID) -> None:
    selection = Selection(frozenset({DeliveryStatus.SKIPPED}))
    begun = await replaying.begin(db, post, selection, LEASE)
    assert isinstance(begun, Replay)
    assert await replay_pages.page(db, begun, timedelta(0), LEASE)
    await replaying.finish(db, begun, timedelta(0))


async def test_what_is_cancelled_is_told(db: Database) -> None:
    await stored_endpoint(db)
    post, (delivery,) = await posted(db, 1, DeliveryStatus.PENDING)
    assert await cancelling.mark(db, post.id, GRACE)
    assert await cancelling.settle(db, post.id, GRACE)
    await settle(db, post)
    assert await report(db) == 2
    assert await subjects(db) == of(DELIVERY, delivery) | of(NOTIFICATION, post.id)
    assert {message["data"]["status"] for message in await told(db)} == {"cancelled"}


async def test_a_test_keys_post_is_told_as_such_and_really_sent(db: Database) -> None:
    await stored_endpoint(db)
    await posted(db, 1, origin=Origin(OriginType.API, "shop", simulate=True))
    await report(db)
    assert [message["data"]["mode"] for message in await told(db)] == ["test"]
    (callback,) = await claims_of(db)
    made = await notifications.get(db, callback)
    assert made is not None
    assert not made.origin.simulate


async def test_numbers_stay_numbers_and_words_are_no_templates(db: Database) -> None:
    await stored_endpoint(db)
    post, _ = await posted(db, 2, reference="{{ data.x }}", metadata={"a.b": "{% if %}"})
    await settle(db, post)
    await report(db)
    messages = await told(db)
    (ended,) = (m["data"] for m in messages if m["type"] == NOTIFICATION.value)
    assert (ended["expected"], ended["totals"]["skipped"]) == (2, 2)
    assert ended["metadata"] == {"a.b": "{% if %}"}
    assert {m["data"]["reference"] for m in messages} == {"{{ data.x }}"}


async def test_nothing_comes_of_what_nobody_listens_to_any_more(db: Database) -> None:
    endpoint = await stored_endpoint(db)
    _, ids = await posted(db, 2)
    await endpoints.delete(db, "shop", endpoint.id)
    assert await report(db) == 0
    assert {d["report"] for d in (await documents(db, ids)).values()} == {False}


async def test_of_endpoints_made_at_once_none_is_one_too_many(db: Database) -> None:
    made = await asyncio.gather(
        *(endpoints.insert(db, new_endpoint(db)) for _ in range(15)), return_exceptions=True
    )
    refused = [error for error in made if error is not None]
    assert all(isinstance(error, endpoints.TooManyEndpointsError) for error in refused)
    assert len(await endpoints.of_app(db, "shop", limit=50)) == 15 - len(refused) <= endpoints.MOST
    await stored_endpoint(db, app="other")


async def test_an_endpoint_is_read_and_deleted_by_its_own_app_alone(db: Database) -> None:
    endpoint = await stored_endpoint(db, description="for orders")
    assert await endpoints.get(db, "shop", endpoint.id) == endpoint
    assert await endpoints.get(db, "other", endpoint.id) is None
    assert not await endpoints.delete(db, "other", endpoint.id)
    assert await endpoints.wanted(db, "shop") == BOTH
    await endpoints.disable(db, endpoint.id)
    assert await endpoints.wanted(db, "shop") == frozenset()
    disabled = await endpoints.get(db, "shop", endpoint.id)
    assert disabled is not None
    assert disabled.disabled_at is not None
    assert endpoint.app == SHOP.app


async def test_a_long_outbox_is_left_to_the_next_sweep(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "PAGE", 2)
    await stored_endpoint(db)
    await posted(db, 6)
    publisher = Publisher("amqp://127.0.0.1:1/", Topology(), name="test", count=lambda *_: None)
    metrics = RetryMetrics()
    short = Reporter(db, publisher, metrics, 0, GRACE, GRACE)
    assert [await short.report() for _ in range(4)] == [2, 2, 2, 0]
    assert metrics.take()["callbacks_delivery_settled"] == 6
