"""What sweeps leave for metrics, in MongoDB. For people: where it cannot be kept, sweeps go on."""

import structlog

from fogbell.store import sweep_figures, sweeping
from fogbell.store.claims import new_token
from fogbell.store.database import Database, StoreUnavailableError
from fogbell.store.indexes import ensure_indexes
from fogbell_retry.metrics import RetryMetrics
from fogbell_retry.sweep import Sweeper

log = structlog.get_logger(__name__)

INDEX_WAIT = 10.0
"""Seconds to wait for indexes: a long build is for components that stay, and sweeps go on."""


class Figures:
    """Keeps what one process's sweeps have done, each count once."""

    def __init__(self, db: Database, metrics: RetryMetrics) -> None:
        self._db, self._metrics = db, metrics
        self._batch: tuple[str, dict[str, int]] | None = None

    async def keep(self, sweeper: Sweeper) -> None:
        """After a sweep of ``sweeper`` that has ended well."""
        if self._batch is None:
            self._batch = new_token(), self._metrics.take()
        token, counts = self._batch
        try:
            due_since = await sweeper.due_since()
            await sweep_figures.add(self._db, token, counts, self._db.clock.now(), due_since)
        except StoreUnavailableError as error:
            # The same batch again after the next sweep: nobody knows whether it is in there.
            log.warning("figures_not_kept", error=str(error))
        else:
            self._batch = None

    async def count_outstanding(self) -> None:
        """Once a window: it costs a scan of an index."""
        try:
            await self._db.ping()
            await ensure_indexes(self._db, INDEX_WAIT)
            await sweep_figures.note_outstanding(self._db, await sweeping.outstanding(self._db))
        except StoreUnavailableError as error:
            log.warning("figures_not_kept", error=str(error))
