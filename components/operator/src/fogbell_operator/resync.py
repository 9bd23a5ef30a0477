"""Every so often all Campaigns are looked at, whatever was or was not heard of them."""

import asyncio
from datetime import UTC, datetime
from time import monotonic

import structlog

from fogbell.store.database import StoreUnavailableError
from fogbell_operator.cluster import Cluster
from fogbell_operator.deletions import Deletions
from fogbell_operator.errors import ClusterError, ForbiddenError, UnavailableError
from fogbell_operator.metrics import OperatorMetrics
from fogbell_operator.reconciling import Reconciler
from fogbell_operator.turns import Turns

log = structlog.get_logger(__name__)

RETRY_PAUSE = 2.0
"""Seconds until a resync that failed is tried again."""


class Resync:
    """Keeps the operator honest: where it cannot do its work it says so, and in the end exits."""

    def __init__(
        self,
        cluster: Cluster,
        turns: Turns,
        deletions: Deletions,
        reconciler: Reconciler,
        metrics: OperatorMetrics,
    ) -> None:
        self._cluster, self._turns, self._deletions = cluster, turns, deletions
        self._reconciler, self._metrics = reconciler, metrics
        self._known: set[str] = set()
        self._fresh_at = monotonic()
        self.done_once = asyncio.Event()

    @property
    def age(self) -> float:
        """Seconds since a resync, or else this process, began to go well."""
        return monotonic() - self._fresh_at

    async def go_on(self, pause: float) -> None:
        """Resync every ``pause`` seconds, for ever."""
        while True:
            began = monotonic()
            try:
                await self.resync()
            except (ClusterError, StoreUnavailableError) as error:
                log.warning("resync_failed", error=str(error))
            except Exception:
                # A defect: ended here, nobody would look again.
                log.exception("resync_failed")
            else:
                self._fresh_at = began
                self.done_once.set()
                self._metrics.resynced(datetime.now(UTC))
                await asyncio.sleep(pause)
                continue
            await asyncio.sleep(min(RETRY_PAUSE, pause))

    async def resync(self) -> None:
        """Look at all of them. Raises `ClusterError` where Kubernetes could not be asked or told.

        A Campaign that has something wrong with it is no such thing: that is in its status.
        """
        # In this order: the Campaign of a run that is there now is among those listed next.
        open_runs = await self._deletions.open_runs()
        campaigns = await self._cluster.campaigns()
        if open_runs:
            await self._deletions.compare(open_runs, [c for c in campaigns if not c.deleting])
        names = {campaign.name for campaign in campaigns}
        for name in self._known - names:
            self._reconciler.forget(name)
        self._known = names
        for outcome in await asyncio.gather(*(self._turns.ask(name) for name in names)):
            if isinstance(outcome, ForbiddenError | UnavailableError):
                raise outcome
