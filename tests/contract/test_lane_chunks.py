"""A lane that works on chunks: one lease for all of a message, and what becomes of it."""

import asyncio
from datetime import timedelta

import pytest
from tests.support.deliveries import documents
from tests.support.lanes import ACCEPTED, ScriptedSender, lane, posted
from tests.support.waiting import eventually

from fogbell.model.outcome import Reply
from fogbell.model.status import Channel, Lane
from fogbell.store import chunks, records
from fogbell.store.chunks import Chunk
from fogbell.store.database import Database, Document, StoreUnavailableError
from fogbell_worker.sending import Work

CHUNK = "a chunk"


async def _leases(db: Database) -> list[Document]:
    return [dict(lease) async for lease in db.chunks.find()]


async def test_a_chunk_is_sent_recorded_and_its_lease_ended(db: Database) -> None:
    ids, sender = await posted(db, 30, chunk=CHUNK), ScriptedSender()
    async with lane(db, sender) as at_work:
        await at_work.work(*ids, chunk=CHUNK)
        stored = await documents(db, ids)
        assert await _leases(db) == []
        await at_work.work(*ids, chunk=CHUNK)
    assert {(d["status"], d["owner"]) for d in stored.values()} == {("delivered", CHUNK)}
    assert sorted(sender.ids) == sorted(ids), "the message came again, and nothing was sent again"
    assert await _leases(db) == []


async def test_a_chunk_is_a_batch_of_its_own(db: Database) -> None:
    first, second = [await posted(db, 4, chunk=f"c{n}") for n in range(2)]
    loose = await posted(db, 4)
    sender = ScriptedSender()
    async with lane(db, sender, batches=1) as at_work:
        messages = [(first, "c0"), (loose[:2], None), (loose[2:], None), (second, "c1")]
        events = [at_work.hand(ids, chunk=chunk) for ids, chunk in messages]
        await asyncio.gather(*(event.wait() for event in events))
    tokens = {delivery.id: delivery.token for delivery in sender.sent}
    assert {tokens[i] for i in first} == {"c0"}
    assert {tokens[i] for i in second} == {"c1"}
    assert len({tokens[i] for i in loose}) == 1, "the others are gathered as ever"


async def test_what_somebody_else_holds_is_dropped(db: Database) -> None:
    ids, sender = await posted(db, 3, chunk=CHUNK), ScriptedSender()
    chunk = Chunk(CHUNK, Lane.BULK, Channel.EMAIL, ids)
    await chunks.take(db, chunk, "somebody else", timedelta(seconds=60))
    async with lane(db, sender) as at_work:
        await at_work.work(*ids, chunk=CHUNK)
    assert sender.sent == []
    (lease,) = await _leases(db)
    assert lease["holder"] == "somebody else"


async def test_a_stop_leaves_what_is_unsent_to_the_next_worker(db: Database) -> None:
    ids, go = await posted(db, 10, chunk=CHUNK), asyncio.Event()

    async def held(_: Work) -> Reply:
        await go.wait()
        return ACCEPTED

    stopped, following = ScriptedSender(held, send_timeout=20), ScriptedSender()
    async with lane(db, stopped, slots=3) as at_work:
        finished = at_work.hand(ids, chunk=CHUNK)
        await eventually(lambda: len(stopped.sent) == 3)
        stopping = asyncio.create_task(at_work.runner.stop())
        await eventually(lambda: at_work.runner._stopping)
        assert len(await _leases(db)) == 1, "not before what is being sent is recorded"
        go.set()
        await stopping
        assert not finished.is_set(), "the broker has to give it to the next worker"
    assert await _leases(db) == []
    async with lane(db, following) as at_work:
        await at_work.work(*ids, chunk=CHUNK)
    assert sorted(stopped.ids + following.ids) == sorted(ids)
    stored = (await documents(db, ids)).values()
    assert {(d["status"], d["attempt_count"]) for d in stored} == {("delivered", 1)}


async def test_what_might_outlast_the_lease_is_given_back(db: Database) -> None:
    ids = await posted(db, 6, chunk=CHUNK)

    async def slow(_: Work) -> Reply:
        await asyncio.sleep(0.3)
        return ACCEPTED

    sender = ScriptedSender(slow, send_timeout=0.4)
    async with lane(db, sender, slots=1, lease=1.0, margin=0.1) as at_work:
        await at_work.work(*ids, chunk=CHUNK)
    assert 1 <= len(sender.sent) <= 2
    assert await _leases(db) == []
    left = {i: d for i, d in (await documents(db, ids)).items() if i not in sender.ids}
    assert {(d["status"], d["attempt_count"]) for d in left.values()} == {("pending", 0)}
    for document in left.values():
        assert "chunk" not in document
        assert document["sweep_at"] <= db.clock.now(), "the sweep publishes it at once"


async def test_a_send_of_which_nothing_is_known_keeps_its_lease_and_no_other_one(
    db: Database,
) -> None:
    ids = await posted(db, 4, chunk=CHUNK)
    broken: list[Work] = []

    async def failing(work: Work) -> Reply:
        if not broken:
            broken.append(work)
            raise RuntimeError("no sender of ours does this")
        await asyncio.sleep(0.4)
        return ACCEPTED

    sender = ScriptedSender(failing, send_timeout=0.4)
    async with lane(db, sender, slots=1, lease=0.9, margin=0.1) as at_work:
        await at_work.work(*ids, chunk=CHUNK)
    assert len(await _leases(db)) == 1, "or the next worker would send it again unmarked"
    stored = await documents(db, ids)
    unknown = stored.pop(broken[0].delivery.id)
    assert (unknown["status"], unknown["chunk"]) == ("pending", CHUNK)
    assert {d["status"] for d in stored.values()} == {"delivered", "pending"}
    assert all("chunk" not in d for d in stored.values()), "what was surely not sent is free"


async def test_a_record_that_cannot_be_written_keeps_the_lease(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: object) -> None:
        raise RuntimeError("a full disk")

    ids, sender = await posted(db, 2, chunk=CHUNK), ScriptedSender()
    monkeypatch.setattr(records, "record", refused)
    async with lane(db, sender) as at_work:
        await at_work.work(*ids, chunk=CHUNK)
    assert sorted(sender.ids) == sorted(ids)
    assert len(await _leases(db)) == 1


async def test_a_lease_whose_taking_was_not_answered_is_given_back_first(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is taken, though the worker hears of no answer."""
    ids, sender, take, calls = await posted(db, 3, chunk=CHUNK), ScriptedSender(), chunks.take, []

    async def unanswered(*asked: object) -> object:
        calls.append(await take(*asked))  # type: ignore[arg-type]
        if len(calls) == 1:
            raise StoreUnavailableError("cut off")
        return calls[-1]

    monkeypatch.setattr(chunks, "take", unanswered)
    async with lane(db, sender) as at_work:
        await at_work.work(*ids, chunk=CHUNK)
    assert [len(claimed or ()) for claimed in calls] == [3, 3]
    assert sorted(sender.ids) == sorted(ids)
    assert await _leases(db) == []
