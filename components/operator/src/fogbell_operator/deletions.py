"""A Campaign that is deleted takes its unsettled run with it."""

import asyncio
from collections.abc import Collection, Sequence

import structlog

from fogbell.store.campaigns import OpenRun
from fogbell.store.database import StoreUnavailableError
from fogbell_operator.cluster import Cluster
from fogbell_operator.metrics import OperatorMetrics
from fogbell_operator.records import Records
from fogbell_operator.resources import Campaign
from fogbell_operator.runs import shown_run

log = structlog.get_logger(__name__)

LOOKS = (0.0, 2.0, 8.0, 20.0)
"""Seconds before each look for runs of a deleted Campaign: its runner may have been beginning."""


class Deletions:
    """Cancels runs whose Campaign is gone: when that is heard of, and at each resync."""

    def __init__(self, cluster: Cluster, records: Records, metrics: OperatorMetrics) -> None:
        self._cluster, self._records, self._metrics = cluster, records, metrics
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def deleted(self, campaign: Campaign) -> None:
        """Cancel its unsettled run at once, and what its runner still begins."""
        if campaign.uid in self._tasks:
            return  # it is heard of several times while its parts go
        task = asyncio.create_task(self._cancel_all(campaign))
        self._tasks[campaign.uid] = task
        task.add_done_callback(lambda _: self._tasks.pop(campaign.uid))

    async def close(self) -> None:
        """Look no more: the next process compares at its first resync."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _cancel_all(self, campaign: Campaign) -> None:
        for pause in LOOKS:
            await asyncio.sleep(pause)
            try:
                await self._cancel_runs(campaign)
            except StoreUnavailableError as error:
                # The next resync cancels it.
                log.warning("cancel_postponed", campaign=campaign.name, error=str(error))

    async def _cancel_runs(self, campaign: Campaign) -> None:
        open_runs = await self._records.open_runs(self._cluster.namespace)
        found = {run.id for run in open_runs if run.uid == campaign.uid}
        shown = shown_run(campaign)
        records = await self._records.runs([shown] if shown else [])
        # A status may have come from a backup: what it shows is then another Campaign's run.
        for run in found | {r.id for r in records.values() if r.uid == campaign.uid}:
            if await self._records.cancel(run):
                self._metrics.cancelled()

    async def open_runs(self) -> list[OpenRun] | None:
        """Runs that go on, to be compared with Campaigns listed *after* this; None if unknown."""
        try:
            return await self._records.open_runs(self._cluster.namespace)
        except StoreUnavailableError as error:
            log.warning("runs_not_compared", error=str(error))
            return None

    async def compare(self, open_runs: Sequence[OpenRun], campaigns: Collection[Campaign]) -> None:
        """Cancel those of ``open_runs`` whose Campaign is not among ``campaigns``.

        Each is looked up once more by its name, so that no list which came out short, for
        whatever reason, cancels anything. What somebody has replayed since is let be, and what is
        of another cluster's Campaign, of a namespace with the same name. Where MongoDB is away, or
        refuses it, the next resync cancels: Campaigns are looked at all the same.
        """
        uids = {campaign.uid for campaign in campaigns}
        for run in open_runs:
            if run.uid in uids or run.replayed or self._elsewhere(run):
                continue
            now = await self._cluster.campaign(run.campaign)
            if now is not None and now.uid == run.uid and not now.deleting:
                continue
            try:
                cancelled = await self._records.cancel(run.id)
            except StoreUnavailableError as error:
                log.warning("cancel_postponed", campaign=run.campaign, error=str(error))
                return
            if cancelled:
                self._metrics.cancelled()

    def _elsewhere(self, run: OpenRun) -> bool:
        return run.cluster is not None and run.cluster != self._cluster.identity
