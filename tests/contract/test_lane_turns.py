"""Who begins when: bulk's batches one after the other, and what nobody may hold up at once."""

import asyncio
from functools import partial
from itertools import groupby

import pytest
from tests.support.deliveries import documents
from tests.support.lanes import ACCEPTED, RunningLane, ScriptedSender, lane, posted
from tests.support.waiting import eventually

from fogbell.model.outcome import Reply
from fogbell.model.status import Lane
from fogbell.store.database import Database
from fogbell_worker.sending import Work

NEVER = 3600.0


class Gated(ScriptedSender):
    """Sends that end one by one, as the test lets them."""

    def __init__(self) -> None:
        super().__init__(self._held)
        self.gate = asyncio.Semaphore(0)

    def open(self) -> None:
        """Let all end, so that the lane can stop."""
        for _ in range(100):
            self.gate.release()

    def has_begun(self, number: int) -> bool:
        """Whether so many sends have."""
        return len(self.sent) >= number

    async def _held(self, _: Work) -> Reply:
        await self.gate.acquire()
        return ACCEPTED


async def test_a_batch_is_recorded_at_its_end_and_waits_for_no_company(db: Database) -> None:
    first, second, alone = await posted(db, 3)
    async with lane(db, ScriptedSender(), gather=NEVER) as at_work:
        await at_work.work(first, second)
        await at_work.work(alone, alone=True)
        await eventually(lambda: len(at_work.seen.stored) == 3)
        stored = await documents(db, [first, second, alone])
    assert {d["status"] for d in stored.values()} == {"delivered"}


async def test_bulk_sends_one_batch_after_the_other(db: Database) -> None:
    ids, sender = await posted(db, 12), Gated()
    async with lane(db, sender, batch=6, slots=2) as at_work:
        finished = [at_work.hand(ids[:6]), at_work.hand(ids[6:])]
        for sent in range(12):
            await eventually(partial(sender.has_begun, sent + 1))
            sender.gate.release()
        await asyncio.gather(*(event.wait() for event in finished))
    batches = [token for token, _ in groupby(delivery.token for delivery in sender.sent)]
    assert len(batches) == 2


@pytest.mark.parametrize(
    ("which", "alone"), [(Lane.TRANSACTIONAL, False), (Lane.BULK, True)], ids=["lone", "alone"]
)
async def test_nothing_urgent_waits_for_a_whole_batch(
    db: Database, which: Lane, alone: bool
) -> None:
    (*ids, urgent), sender = await posted(db, 7), Gated()
    async with lane(db, sender, lane=which, batch=6, slots=2) as at_work:
        finished = at_work.hand(ids)
        await eventually(lambda: _waiting_for_a_slot(at_work) == 1)
        at_work.hand([urgent], alone=alone)
        try:
            await eventually(lambda: _waiting_for_a_slot(at_work) == 2)
        finally:
            sender.open()
        await finished.wait()
        await eventually(lambda: len(at_work.seen.stored) == 7)
    assert sender.ids.index(urgent) == 3


def _waiting_for_a_slot(at_work: RunningLane) -> int:
    return at_work.runner.slots.waiting
