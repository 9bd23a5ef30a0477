"""One slow receiver of webhooks takes its share of a lane, and no more."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from tests.support.deliveries import documents
from tests.support.lanes import ACCEPTED, RunningLane, ScriptedSender, lane, posted
from tests.support.waiting import eventually

from fogbell.model.outcome import Reply
from fogbell.model.status import Channel
from fogbell.store.database import Database
from fogbell_worker import hosts
from fogbell_worker import lane as lanes
from fogbell_worker.sending import Work

SLOW, FAST = "slow.example", "fast.example"


class Receivers:
    """Answers at once, but for the slow host, which waits for ``go``; counts sends under way."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.under_way: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    async def answer(self, work: Work) -> Reply:
        assert work.addresses.webhook is not None
        host = SLOW if SLOW in work.addresses.webhook.url else FAST
        self.under_way[host] += 1
        self.most[host] = max(self.most[host], self.under_way[host])
        try:
            await (self.go.wait() if host == SLOW else asyncio.sleep(0.01))
        finally:
            self.under_way[host] -= 1
        return ACCEPTED


@pytest.fixture
def receivers() -> Receivers:
    return Receivers()


@pytest.fixture
def sender(receivers: Receivers) -> ScriptedSender:
    return ScriptedSender(receivers.answer, channel=Channel.WEBHOOK, send_timeout=20)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "PATIENCE", 0.1)


@contextlib.asynccontextmanager
async def _lane(
    db: Database, sender: ScriptedSender, receivers: Receivers, **bounds: Any
) -> AsyncIterator[RunningLane]:
    async with lane(db, sender, **bounds) as at_work:
        try:
            yield at_work
        finally:
            receivers.go.set()


async def _posted(db: Database, number: int, host: str) -> list[UUID]:
    return await posted(db, number, host=host, channels=(Channel.WEBHOOK,))


async def _statuses(db: Database, ids: list[UUID]) -> Counter[str]:
    return Counter(d["status"] for d in (await documents(db, ids)).values())


async def test_a_slow_receiver_leaves_slots_to_the_others_of_its_batch(
    db: Database, receivers: Receivers, sender: ScriptedSender
) -> None:
    slow, fast = await _posted(db, 10, SLOW), await _posted(db, 20, FAST)
    async with _lane(db, sender, receivers, slots=4, per_host=2) as at_work:
        finished = at_work.hand([*slow, *fast])

        async def fast_done() -> bool:
            return await _statuses(db, fast) == {"delivered": 20}

        await eventually(fast_done)
        assert receivers.under_way[SLOW] == 2
        receivers.go.set()
        await finished.wait()
    assert (receivers.most[SLOW], receivers.most[FAST]) == (2, 2)


@pytest.mark.usefixtures("impatient")
async def test_what_a_busy_receiver_keeps_waiting_is_put_back_and_counts_as_no_attempt(
    db: Database, receivers: Receivers, sender: ScriptedSender
) -> None:
    slow = await _posted(db, 5, SLOW)
    async with _lane(db, sender, receivers, per_host=2) as at_work:
        finished = at_work.hand(slow)
        await eventually(lambda: len(at_work.seen.stored) == 3)
        receivers.go.set()
        await finished.wait()
    stored = (await documents(db, slow)).values()
    back = [d for d in stored if d["status"] == "pending"]
    assert Counter(d["status"] for d in stored) == {"delivered": 2, "pending": 3}
    assert {record.verdict.reason for record in at_work.seen.stored} == {None, hosts.BUSY}
    assert [d["attempt_count"] for d in back] == [0, 0, 0]
    assert all(d["not_before"] > db.clock.now() for d in back)


@pytest.mark.usefixtures("impatient")
async def test_the_next_batch_begins_though_a_slow_receiver_holds_the_last_one(
    db: Database, receivers: Receivers, sender: ScriptedSender
) -> None:
    slow, fast = await _posted(db, 4, SLOW), await _posted(db, 2, FAST)
    async with _lane(db, sender, receivers, slots=4, per_host=2, batches=1) as at_work:
        finished = at_work.hand(slow)
        await eventually(lambda: receivers.under_way[SLOW] == 2)
        await at_work.work(*fast)
        assert await _statuses(db, fast) == {"delivered": 2}
        assert not finished.is_set(), "nothing is acknowledged that is not recorded"
        receivers.go.set()
        await finished.wait()


async def test_a_receiver_that_is_quick_gets_all_of_its_batch(
    db: Database, receivers: Receivers, sender: ScriptedSender
) -> None:
    fast = await _posted(db, 60, FAST)
    async with _lane(db, sender, receivers, per_host=2) as at_work:
        await at_work.work(*fast)
    assert await _statuses(db, fast) == {"delivered": 60}
    assert receivers.most[FAST] == 2
    assert len(sender.sent) == 60
