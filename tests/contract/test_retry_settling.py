"""The sweep's look at what may be settled: no run keeps up the others."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from tests.support.deliveries import GRACE
from tests.support.notifications import new_notification

from fogbell.broker import Publisher, Topology
from fogbell.model.status import NotificationStatus
from fogbell.store import notifications, progress
from fogbell.store.database import Database, StoreUnavailableError
from fogbell_retry.metrics import RetryMetrics
from fogbell_retry.sweep import Sweeper, SweepSettings, Swept

SECOND = timedelta(seconds=1)
SETTINGS = SweepSettings(
    grace=GRACE,
    grace_cap=GRACE,
    hold=GRACE,
    lost_leases_limit=3,
    enough={},
    settle_pause=SECOND,
    settle_pause_cap=timedelta(minutes=1),
    keep=timedelta(days=30),
)


async def test_a_run_that_cannot_be_counted_does_not_keep_up_the_others(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "BATCH", -1)
    runs = []
    for _ in range(3):
        now = db.clock.now()
        run = new_notification(created_at=now, expanded_at=now, expected=0, expected_by_channel={})
        post = notifications.Accept(run, [], now, NotificationStatus.SENDING)
        await notifications.accept(db, [post], GRACE)
        runs.append(run.id)
    settle = progress.settle

    async def slow(db: Database, candidates: Sequence[progress.Unsettled], *rest: Any) -> Any:
        if candidates[0].id == runs[0]:
            raise StoreUnavailableError("operation exceeded time limit")
        return await settle(db, candidates, *rest)

    monkeypatch.setattr(progress, "settle", slow)
    publisher = Publisher("amqp://127.0.0.1:1/", Topology(), name="test", count=lambda *_: None)
    swept = Swept()
    await Sweeper(db, publisher, Topology(), SETTINGS, RetryMetrics())._settle(swept)
    assert swept.settled == 2
    later = db.clock.now() + SETTINGS.settle_pause_cap
    assert [c.id for c in await progress.due_for_settling(db, later, 10)] == [runs[0]]
    assert await progress.due_for_settling(db, db.clock.now(), 10) == []
