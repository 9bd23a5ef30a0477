"""Looking at all Campaigns goes on, whatever becomes of one time."""

import asyncio
from typing import cast

from fogbell_operator.cluster import Cluster
from fogbell_operator.deletions import Deletions
from fogbell_operator.metrics import OperatorMetrics
from fogbell_operator.reconciling import Reconciler
from fogbell_operator.resync import Resync
from fogbell_operator.turns import Turns


class Defective:
    """Whoever asks first for runs meets a defect; no Campaign is there."""

    asked = 0

    async def open_runs(self) -> None:
        self.asked += 1
        if self.asked == 1:
            raise ValueError("a defect")

    async def campaigns(self) -> list[object]:
        return []


async def test_a_resync_that_failed_in_whatever_way_is_made_again() -> None:
    told = Defective()
    resync = Resync(
        cast("Cluster", told),
        cast("Turns", None),
        cast("Deletions", told),
        cast("Reconciler", None),
        OperatorMetrics(),
    )
    task = asyncio.create_task(resync.go_on(0.01))
    async with asyncio.timeout(5):
        done = asyncio.create_task(resync.done_once.wait())
        await asyncio.wait({done, task}, return_when=asyncio.FIRST_COMPLETED)
    assert not task.done()
    assert told.asked > 1
    task.cancel()
