"""One lane against a real MongoDB: claim, send within the lease, record, finish the message."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from tests.support.deliveries import claim_all, document, documents
from tests.support.lanes import ACCEPTED, ScriptedSender, lane, posted
from tests.support.waiting import eventually

from fogbell.model.outcome import Outcome, Reply
from fogbell.model.status import Channel
from fogbell.store.database import Database
from fogbell_local.servers import MongoServer
from fogbell_worker.sending import Work


async def _slow(_: Work) -> Reply:
    await asyncio.sleep(0.3)
    return ACCEPTED


async def test_a_message_is_finished_once_everything_in_it_is_recorded(db: Database) -> None:
    ids = await posted(db, 30)
    sender = ScriptedSender()
    async with lane(db, sender) as at_work:
        await at_work.work(*ids)
        stored = await documents(db, ids)
    assert {d["status"] for d in stored.values()} == {"delivered"}
    assert sorted(sender.ids) == sorted(ids)


async def test_no_more_is_sent_at_once_than_there_are_slots(db: Database) -> None:
    ids = await posted(db, 12)
    sender = ScriptedSender(_slow)
    async with lane(db, sender, slots=4) as at_work:
        await at_work.work(*ids)
    assert sender.most_at_once == 4


async def test_a_slot_is_taken_before_the_claim(db: Database) -> None:
    """What waits for a batch's place is nobody's yet: another worker may take it."""
    first, second = await posted(db, 2)
    go = asyncio.Event()

    async def held(_: Work) -> Reply:
        await go.wait()
        return ACCEPTED

    sender = ScriptedSender(held)
    async with lane(db, sender, batches=1, batch=1) as at_work:
        finished = [at_work.hand([first]), at_work.hand([second])]
        await eventually(lambda: sender.ids == [first])
        assert (await document(db, second))["status"] == "pending"
        go.set()
        await asyncio.gather(*(event.wait() for event in finished))
    assert sender.ids == [first, second]


async def test_messages_that_wait_already_are_claimed_together(db: Database) -> None:
    ids = await posted(db, 30)
    sender = ScriptedSender()
    async with lane(db, sender, batch=20, batches=1) as at_work:
        events = [at_work.hand(ids[n : n + 5]) for n in range(0, 30, 5)]
        await asyncio.gather(*(event.wait() for event in events))
    tokens = [delivery.token for delivery in sender.sent]
    # The first may have been taken before the others waited; no claim has more than 20 ids.
    assert len(set(tokens)) <= 3
    assert max(tokens.count(token) for token in set(tokens)) <= 20


async def test_an_id_that_is_there_twice_is_sent_once(db: Database) -> None:
    ids = await posted(db, 3)
    sender = ScriptedSender()
    async with lane(db, sender) as at_work:
        await at_work.work(*ids, *ids, ids[0])
        await at_work.work(ids[0])
    assert sorted(sender.ids) == sorted(ids)


async def test_ids_that_cannot_be_claimed_are_dropped(db: Database) -> None:
    settled, held, early = await posted(db, 3)
    sender = ScriptedSender()
    async with lane(db, sender) as at_work:
        await at_work.work(settled)
        await claim_all(db, [held])
        tomorrow = db.clock.now() + timedelta(days=1)
        await db.deliveries.update_one({"_id": early}, {"$set": {"not_before": tomorrow}})
        await at_work.work(settled, held, early, uuid4())
    assert sender.ids == [settled]
    assert (await document(db, held))["owner"] == "holder"


async def test_no_send_starts_that_might_outlast_its_lease(db: Database) -> None:
    ids = await posted(db, 6)
    sender = ScriptedSender(_slow, send_timeout=0.4)
    # Starts are allowed for 0.5 s after the claim: at 0.0 and 0.3 s, not at 0.6 s.
    async with lane(db, sender, slots=1, lease=1.0, margin=0.1) as at_work:
        await at_work.work(*ids)
        assert 1 <= len(sender.sent) <= 2
        stored = await documents(db, ids)
    for id_ in set(ids) - set(sender.ids):
        left = stored[id_]
        assert (left["status"], left["attempt_count"]) == ("pending", 0)
        assert "owner" not in left
        assert left["sweep_at"] <= db.clock.now(), "the sweep publishes it at once"


async def test_a_stop_ends_what_is_being_sent_and_gives_the_rest_back(db: Database) -> None:
    ids = await posted(db, 10)
    sender = ScriptedSender(_slow)
    async with lane(db, sender, slots=3) as at_work:
        finished = at_work.hand(ids)
        await eventually(lambda: len(sender.sent) == 3)
        await at_work.runner.stop()
        assert len(sender.sent) == 3
        assert not finished.is_set(), "the broker has to give it to the next worker"
        assert len(at_work.seen.stored) == 3
    statuses = sorted(d["status"] for d in (await documents(db, ids)).values())
    assert statuses == ["delivered"] * 3 + ["pending"] * 7


async def test_messages_of_a_lost_connection_are_left_to_the_next_one(db: Database) -> None:
    (one,) = await posted(db)
    sender = ScriptedSender()
    async with lane(db, sender) as at_work:
        at_work.window.over = True
        at_work.hand([one])
        await asyncio.sleep(0.1)
        assert sender.sent == []
        at_work.window.over = False
        await at_work.work(one)
    assert sender.ids == [one]


async def test_a_defect_in_a_send_leaves_its_batch_to_the_leases_and_the_lane_goes_on(
    db: Database,
) -> None:
    broken, sound = await posted(db, 2), await posted(db, 2)

    def failing(work: Work) -> Reply:
        if work.delivery.id in broken:
            raise RuntimeError("no sender of ours does this")
        return ACCEPTED

    async with lane(db, ScriptedSender(failing)) as at_work:
        await at_work.work(*broken)
        await at_work.work(*sound)
        stored = await documents(db, broken + sound)
    assert [stored[i]["status"] for i in broken + sound] == ["sending"] * 2 + ["delivered"] * 2


async def test_an_address_that_is_gone_is_suppressed_before_the_next_delivery(
    db: Database,
) -> None:
    first, second = [(await posted(db, channels=(Channel.WEBHOOK,)))[0] for _ in range(2)]
    gone = Reply(Outcome.PERMANENT, code="410", reason="gone", suppress=True)
    sender = ScriptedSender(lambda _: gone, channel=Channel.WEBHOOK)
    async with lane(db, sender) as at_work:
        await at_work.work(first)
        await at_work.work(second)
    ended = await documents(db, [first, second])
    assert (ended[first]["status"], ended[first]["reason"]) == ("dead", "gone")
    assert (ended[second]["status"], ended[second]["reason"]) == ("skipped", "suppressed")
    assert sender.ids == [first]


@pytest.mark.parametrize(
    ("field", "ending"),
    [("cancelled_at", ("cancelled", "cancelled")), ("expires_at", ("skipped", "expired"))],
)
async def test_the_end_of_a_notification_is_seen_though_its_content_is_cached(
    db: Database, field: str, ending: tuple[str, str]
) -> None:
    before, after = await posted(db, 2)
    sender = ScriptedSender()
    async with lane(db, sender) as at_work:
        await at_work.work(before)
        await db.notifications.update_many({}, {"$set": {field: db.clock.now()}})
        await at_work.work(after)
    stored = await document(db, after)
    assert (stored["status"], stored["reason"]) == ending
    assert sender.ids == [before]


@pytest.mark.parametrize("chunk", [None, "a chunk"], ids=["claims", "chunk"])
async def test_a_lease_waits_for_mongodb_and_none_is_lost(
    own_mongo: MongoServer, chunk: str | None
) -> None:
    db = Database(own_mongo.uri, "lane")
    ids = await posted(db, 20, chunk=chunk)
    sender = ScriptedSender()
    async with lane(db, sender) as at_work:
        await at_work.work(*ids[:5], chunk=chunk)
        await asyncio.to_thread(own_mongo.kill)
        finished = at_work.hand(ids, chunk=chunk)
        await asyncio.sleep(0.5)
        assert (len(sender.sent), finished.is_set()) == (5, False)
        await asyncio.to_thread(own_mongo.restart)
        async with asyncio.timeout(30):
            await finished.wait()
        stored = await documents(db, ids)
    assert {(d["status"], d.get("lost_leases", 0)) for d in stored.values()} == {("delivered", 0)}
    assert sorted(sender.ids) == sorted(ids)
    db.close()
