"""A defect in one send, or in a suppression, costs its own delivery and no other of its batch."""

import asyncio
from typing import Any

import pytest
from tests.support.deliveries import documents
from tests.support.lanes import ACCEPTED, ScriptedSender, lane, posted

from fogbell.model.outcome import Outcome, Reply
from fogbell.store import suppressions
from fogbell.store.database import Database
from fogbell_worker.sending import Work


async def test_a_send_that_raises_neither_cuts_its_neighbours_off_nor_keeps_a_slot(
    db: Database,
) -> None:
    ids = await posted(db, 8)
    under_way = asyncio.Event()

    async def answer(work: Work) -> Reply:
        if work.delivery.id == ids[3]:
            await under_way.wait()
            raise RuntimeError("a defect")
        under_way.set()
        await asyncio.sleep(0.05)
        return ACCEPTED

    sender = ScriptedSender(answer)
    async with lane(db, sender, slots=4) as at_work:
        await at_work.work(*ids)
        sender.most_at_once = 0
        await at_work.work(*await posted(db, 8))
    assert sender.most_at_once == 4
    stored = await documents(db, ids)
    assert stored.pop(ids[3])["status"] == "sending", "its lease ends it"
    assert {d["status"] for d in stored.values()} == {"delivered"}


async def test_what_cannot_be_suppressed_is_recorded_all_the_same(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: Any) -> None:
        raise RuntimeError("no role")

    monkeypatch.setattr(suppressions, "add", refused)
    gone = Reply(Outcome.PERMANENT, code="410", reason="gone", suppress=True)
    (one,) = await posted(db)
    async with lane(db, ScriptedSender(lambda _: gone)) as at_work:
        await at_work.work(one)
    assert (await documents(db, [one]))[one]["status"] == "dead"
