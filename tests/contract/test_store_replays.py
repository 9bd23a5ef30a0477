"""Putting settled deliveries back: each crash, and each race, ends with nothing half done."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from tests.support.changes import (
    KEEP,
    NOW,
    make_due,
    settle_due,
    statuses,
    store_run,
    stored,
)
from tests.support.deliveries import GRACE, LEASE, attempt, documents, new_delivery
from tests.support.notifications import new_notification
from tests.support.profiling import profiled
from tests.support.transactions import held

from fogbell.identity import uuid7
from fogbell.model.outcome import Outcome
from fogbell.model.status import Cause, Channel, DeliveryStatus, NotificationStatus
from fogbell.policy import Retention, Verdict
from fogbell.store import (
    cancelling,
    claims,
    deliveries,
    notifications,
    progress,
    records,
    replay_pages,
    replaying,
    retention,
    sweeping,
)
from fogbell.store.database import Database, StoreUnavailableError
from fogbell.store.records import Record
from fogbell.store.replay_pages import Page
from fogbell.store.replaying import Refusal, Replay, Selection

S = DeliveryStatus
DEAD = Selection(frozenset({S.DEAD}))
HOUR = timedelta(hours=1)


async def begin(db: Database, run: UUID, selection: Selection = DEAD) -> Replay:
    begun = await replaying.begin(db, run, selection, LEASE)
    assert isinstance(begun, Replay), begun
    return begun


async def put_back(db: Database, replay: Replay) -> int:
    """All pages, and the end."""
    number, after = 0, None
    while True:
        page = await replay_pages.page(db, replay, GRACE, LEASE, after)
        if page is None:
            return number
        if page.last is None:
            await replaying.finish(db, replay, NOW)
            return number
        number += page.replayed
        after = page.last


async def settled_run(db: Database, given: dict[S, int], channel: Channel = Channel.EMAIL) -> UUID:
    run = await store_run(db, given, channel)
    assert run in await settle_due(db)
    return run


async def ids_of(db: Database, run: UUID) -> list[UUID]:
    return [d["_id"] async for d in db.deliveries.find({"notification_id": run}, {"_id": True})]


async def die(db: Database, ids: list[UUID], outcome: Outcome = Outcome.PERMANENT) -> None:
    """Claim them and give up."""
    claimed = await claims.claim(db, ids, claims.new_token(), LEASE)
    gone = Verdict(Cause.GIVE_UP, "refused")
    await records.record(db, [Record(c, gone, attempt(outcome)) for c in claimed])


async def test_a_replayed_delivery_has_a_new_budget_and_its_history(db: Database) -> None:
    run = await store_run(db, {S.PENDING: 1})
    (delivery,) = await ids_of(db, run)
    await die(db, [delivery])
    await db.deliveries.update_one(
        {"_id": delivery}, {"$set": {"lost_leases": 2, "lost_alone": 2, "lost_owner": "x"}}
    )
    await settle_due(db)
    before = (await documents(db, [delivery]))[delivery]
    assert await put_back(db, await begin(db, run)) == 1
    after = (await documents(db, [delivery]))[delivery]
    assert (after["status"], after["attempt_count"], after["replays"]) == ("pending", 0, 1)
    assert after["attempts"] == before["attempts"]
    assert (after["lost_alone"], after["lost_leases"]) == (0, 2)
    left_over = {"settled_at", "reason", "not_before", "owner", "lost_owner", "alone", "releases"}
    assert not left_over & after.keys()
    assert after["sweep_at"] - after["replayed_at"] == GRACE
    (claimed,) = await claims.claim(db, [delivery], "next", LEASE, alone=True)
    assert claimed.idempotency_key == f"{delivery}-1"
    assert (claimed.attempt_count, claimed.since) == (0, after["replayed_at"])
    assert claimed.created_at == before["created_at"]


async def test_the_notification_is_unsettled_and_settles_again(db: Database) -> None:
    run = await settled_run(db, {S.DEAD: 2, S.DELIVERED: 3})
    first = await stored(db, run)
    await put_back(db, await begin(db, run))
    document = await stored(db, run)
    assert not {"settled_at", "frozen", "purge_at", "replaying"} & document.keys()
    assert document["expected"] == first["expected"]
    reached = await progress.progress(db, run)
    assert reached is not None
    assert (reached.totals[S.PENDING], reached.totals[S.DELIVERED]) == (2, 3)
    assert await settle_due(db) == []
    await die(db, await ids_of(db, run))
    await make_due(db, run)
    assert await settle_due(db) == [run]
    again = await stored(db, run)
    assert again["frozen"] == {"email": {"dead": 2, "delivered": 3}}
    assert again["settled_at"] > first["settled_at"]


@pytest.mark.parametrize("status", [S.DEAD, S.SKIPPED, S.CANCELLED, S.DELIVERED])
async def test_only_the_statuses_that_are_asked_for_are_put_back(db: Database, status: S) -> None:
    given = {S.DEAD: 2, S.SKIPPED: 3, S.CANCELLED: 4, S.DELIVERED: 5}
    run = await settled_run(db, given)
    assert await put_back(db, await begin(db, run, Selection(frozenset({status})))) == given[status]
    expected = {s.value: n for s, n in given.items() if s is not status}
    assert await statuses(db, run) == expected | {"pending": given[status]}


@pytest.mark.parametrize("statuses_", [{S.DEAD}, {S.DEAD, S.DELIVERED}])
async def test_one_channel_alone_and_never_the_inbox(db: Database, statuses_: set[S]) -> None:
    run = await store_run(db, {S.DEAD: 2})
    for channel in (Channel.WEBHOOK, Channel.INBOX):
        new = [new_delivery(run, f"{n}", channel, status=S.DEAD) for n in range(3)]
        await deliveries.insert(db, new, GRACE)
    await settle_due(db)
    webhooks = Selection(frozenset(statuses_), Channel.WEBHOOK)
    assert await replay_pages.anything(db, run, webhooks)
    assert await put_back(db, await begin(db, run, webhooks)) == 3
    assert await put_back(db, await begin(db, run, Selection(frozenset(statuses_)))) == 2
    assert await statuses(db, run) == {"pending": 5, "dead": 3}
    inbox = Selection(frozenset(statuses_), Channel.INBOX)
    assert not await replay_pages.anything(db, run, inbox)


@pytest.mark.parametrize("statuses_", [{S.DEAD}, {S.DEAD, S.DELIVERED}])
async def test_pages_miss_nobody(
    db: Database, monkeypatch: pytest.MonkeyPatch, statuses_: set[S]
) -> None:
    monkeypatch.setattr(replay_pages, "PAGE", 3)
    run = await settled_run(db, {S.DEAD: 10, S.DELIVERED: 7})
    number = await put_back(db, await begin(db, run, Selection(frozenset(statuses_))))
    assert number == (10 if statuses_ == {S.DEAD} else 17)
    assert (await statuses(db, run))["pending"] == number


async def test_what_lost_a_lease_before_is_tried_alone(db: Database) -> None:
    run = await settled_run(db, {S.DEAD: 3})
    poison = (await ids_of(db, run))[0]
    await db.deliveries.update_one({"_id": poison}, {"$set": {"lost_leases": 1}})
    page = await replay_pages.page(db, await begin(db, run), GRACE, LEASE)
    assert page is not None
    assert page.alone == {Channel.EMAIL: [poison]}
    assert len(page.together[Channel.EMAIL]) == 2


async def test_what_dies_again_meanwhile_is_not_put_back_by_the_same_replay(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_pages, "PAGE", 2)
    run = await settled_run(db, {S.DEAD: 4})
    replay = await begin(db, run)
    page = await replay_pages.page(db, replay, GRACE, LEASE)
    assert page is not None
    await die(db, page.together[Channel.EMAIL])
    assert await put_back(db, replay) == 2
    assert await statuses(db, run) == {"dead": 2, "pending": 2}
    # The next one is another replay.
    assert await put_back(db, await begin(db, run)) == 2


class TestCrash:
    async def test_after_the_notification_was_unsettled(self, db: Database) -> None:
        run = await settled_run(db, {S.DEAD: 2})
        begun = await begin(db, run)
        # Nobody freezes it, and the sweep goes on with it.
        await make_due(db, run)
        assert await settle_due(db) == []
        assert await replaying.due(db, db.clock.now(), 10) == [begun]
        assert await put_back(db, begun) == 2

    async def test_between_two_pages(self, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(replay_pages, "PAGE", 2)
        run = await settled_run(db, {S.DEAD: 5})
        await replay_pages.page(db, await begin(db, run), GRACE, LEASE)
        await make_due(db, run)
        (left,) = await replaying.due(db, db.clock.now(), 10)
        assert await put_back(db, left) == 3
        found = await documents(db, await ids_of(db, run))
        assert {(d["status"], d["replays"]) for d in found.values()} == {("pending", 1)}

    async def test_before_a_page_was_published(self, db: Database) -> None:
        run = await settled_run(db, {S.DEAD: 1})
        await replay_pages.page(db, await begin(db, run), NOW, LEASE)
        lane = new_notification().lane
        due = await sweeping.due_page(
            db, lane, Channel.EMAIL, since=None, until=db.clock.now() + GRACE, limit=10
        )
        assert due.together == await ids_of(db, run)

    async def test_before_the_end_was_written(self, db: Database) -> None:
        run = await settled_run(db, {S.DEAD: 1})
        begun = await begin(db, run)
        await replay_pages.page(db, begun, GRACE, LEASE)
        await die(db, await ids_of(db, run))
        await make_due(db, run)
        assert await settle_due(db) == []
        assert await put_back(db, begun) == 0
        assert await settle_due(db) == [run]
        assert (await stored(db, run))["frozen"] == {"email": {"dead": 1}}

    async def test_a_repeated_request_joins_what_was_left(self, db: Database) -> None:
        run = await settled_run(db, {S.DEAD: 1})
        begun = await begin(db, run)
        assert await begin(db, run) == begun
        other = Selection(frozenset({S.DEAD, S.SKIPPED}))
        assert await replaying.begin(db, run, other, LEASE) is Refusal.UNDER_WAY


class TestRace:
    async def test_totals_counted_before_a_replay_are_not_frozen_after_it(
        self, db: Database
    ) -> None:
        run = await store_run(db, {S.DEAD: 1})
        slow = await progress.due_for_settling(db, db.clock.now(), 10)
        await put_back(db, await begin(db, run))
        # As if its count had been taken before: what is outstanding is hidden from it.
        await db.deliveries.update_many({}, {"$set": {"status": "dead"}})
        await progress.settle(db, slow, lambda _: NOW, KEEP)
        assert "frozen" not in await stored(db, run)

    async def test_a_replay_and_a_purge_meet_and_one_of_them_wins(self, db: Database) -> None:
        now_due = Retention(NOW, 10 * KEEP, 10 * KEEP)
        for _ in range(6):
            run = await settled_run(db, {S.DEAD: 3})
            await db.notifications.update_one({"_id": run}, [{"$set": {"purge_at": "$$NOW"}}])
            begun, _ = await asyncio.gather(
                replaying.begin(db, run, DEAD, LEASE), retention.purge(db, now_due, 100)
            )
            if isinstance(begun, Replay):
                assert await put_back(db, begun) == 3
                assert await statuses(db, run) == {"pending": 3}
            else:
                assert begun is Refusal.PURGED
                assert await statuses(db, run) == {}
                assert (await stored(db, run))["frozen"] == {"email": {"dead": 3}}

    async def test_a_purge_that_read_before_the_replay_deletes_nothing(self, db: Database) -> None:
        run = await settled_run(db, {S.DEAD: 1})
        now = db.clock.now() + 100 * KEEP
        due = await retention._due(db, now, {})
        await put_back(db, await begin(db, run))
        assert due == [run]
        assert await retention._hold(db, due, now) == []
        assert await statuses(db, run) == {"pending": 1}

    async def test_a_cancellation_stops_a_replay_at_its_page(
        self, db: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(replay_pages, "PAGE", 2)
        run = await settled_run(db, {S.DEAD: 5})
        begun = await begin(db, run)
        await replay_pages.page(db, begun, GRACE, LEASE)
        assert await cancelling.mark(db, run, GRACE)
        assert await replay_pages.page(db, begun, GRACE, LEASE) is None
        assert await cancelling.settle(db, run, NOW)
        assert await settle_due(db) == [run]
        assert (await stored(db, run))["frozen"] == {"email": {"dead": 3, "cancelled": 2}}

    async def test_two_processes_put_each_delivery_back_once(
        self, db: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(replay_pages, "PAGE", 5)
        run = await settled_run(db, {S.DEAD: 40})
        begun = await begin(db, run)
        numbers = await asyncio.gather(*(put_back(db, begun) for _ in range(3)))
        assert sum(numbers) == 40
        found = await documents(db, await ids_of(db, run))
        assert {(d["status"], d["replays"]) for d in found.values()} == {("pending", 1)}
        assert "replaying" not in await stored(db, run)

    async def test_a_page_that_a_killed_process_holds_is_given_up_soon(self, db: Database) -> None:
        run = await settled_run(db, {S.DEAD: 5})
        begun = await begin(db, run)
        hold = held(db, db.notifications, {"_id": run}, {"$set": {"held": True}})
        async with hold, asyncio.timeout(10):
            with pytest.raises(StoreUnavailableError, match="another transaction"):
                await put_back(db, begun)
        assert await statuses(db, run) == {"dead": 5}
        assert await put_back(db, begun) == 5

    async def test_a_late_answer_to_the_old_budget_changes_nothing(self, db: Database) -> None:
        run = await store_run(db, {S.PENDING: 1})
        (delivery,) = await ids_of(db, run)
        (old,) = await claims.claim(db, [delivery], "old", NOW)
        await sweeping.expire_leases(db, [delivery], GRACE, 1)
        await db.deliveries.update_one({"_id": delivery}, {"$set": {"status": "dead"}})
        await settle_due(db)
        await put_back(db, await begin(db, run))
        outcome = await records.record(db, [Record(old, Verdict(Cause.ACCEPTED), attempt())])
        assert outcome.lost == {delivery}
        assert outcome.late == frozenset()
        assert await statuses(db, run) == {"pending": 1}


class TestRefusal:
    async def test_of_what_is_not_there(self, db: Database) -> None:
        assert await replaying.begin(db, uuid7(), DEAD, LEASE) is Refusal.UNKNOWN

    async def test_of_what_is_not_expanded(self, db: Database) -> None:
        notification = new_notification(created_at=db.clock.now())
        post = notifications.Accept(notification, [], None, NotificationStatus.EXPANDING)
        await notifications.accept(db, [post], GRACE)
        assert await replaying.begin(db, notification.id, DEAD, LEASE) is Refusal.EXPANDING

    async def test_of_what_has_expired(self, db: Database) -> None:
        run = await store_run(db, {S.DEAD: 1}, expires_at=db.clock.now() - HOUR)
        assert await replaying.begin(db, run, DEAD, LEASE) is Refusal.EXPIRED
        later = await store_run(db, {S.DEAD: 1}, expires_at=db.clock.now() + HOUR)
        assert isinstance(await replaying.begin(db, later, DEAD, LEASE), Replay)

    async def test_of_what_is_cancelled_unless_that_is_asked_for(self, db: Database) -> None:
        run = await store_run(db, {S.DEAD: 1, S.PENDING: 2})
        cancelled = Selection(frozenset({S.CANCELLED}))
        await cancelling.mark(db, run, GRACE)
        assert await replaying.begin(db, run, cancelled, LEASE) is Refusal.CANCELLED
        await cancelling.settle(db, run, NOW)
        await settle_due(db)
        assert await replaying.begin(db, run, DEAD, LEASE) is Refusal.CANCELLED
        assert await put_back(db, await begin(db, run, cancelled)) == 2
        assert "cancelled_at" not in await stored(db, run)
        assert await statuses(db, run) == {"dead": 1, "pending": 2}


async def test_a_replay_may_begin_while_others_are_still_being_tried(db: Database) -> None:
    run = await store_run(db, {S.DEAD: 1, S.FAILED: 1, S.SENDING: 1})
    assert await put_back(db, await begin(db, run)) == 1
    assert await statuses(db, run) == {"pending": 1, "failed": 1, "sending": 1}


async def test_nothing_left_is_an_empty_page(db: Database) -> None:
    run = await settled_run(db, {S.DELIVERED: 1})
    assert not await replay_pages.anything(db, run, DEAD)
    assert await replay_pages.page(db, await begin(db, run), GRACE, LEASE) == Page()


async def test_a_page_of_a_replay_reads_no_more_than_it_puts_back(db: Database) -> None:
    await store_run(db, {S.DEAD: 60})
    run = await settled_run(db, {S.DELIVERED: 50, S.SKIPPED: 50, S.DEAD: 3})
    begun = await begin(db, run)
    async with profiled(db, db.deliveries) as seen:
        await replay_pages.anything(db, run, DEAD)
        await replay_pages.page(db, begun, GRACE, LEASE)
    assert sum(entry["docsExamined"] for entry in seen) == 3 + 3
    assert sum(entry["keysExamined"] for entry in seen) < 30
