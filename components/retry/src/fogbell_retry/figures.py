"""What sweeps leave for metrics, in MongoDB. For people: where it cannot be kept, sweeps go on."""

import structlog

from fogbell.model.status import PUSH_CHANNELS, Lane
from fogbell.store import sweep_figures, sweeping
from fogbell.store.database import Database, StoreUnavailableError
from fogbell.store.indexes import ensure_indexes
from fogbell_retry.metrics import RetryMetrics

log = structlog.get_logger(__name__)

INDEX_WAIT = 10.0
"""Seconds to wait for indexes: a long build is for components that stay, and sweeps go on."""


async def keep(db: Database, metrics: RetryMetrics) -> None:
    """Add what sweeps have done since the last time, and note what the last one left."""
    counts = metrics.take()
    try:
        due_since = {
            (channel, lane): await sweeping.oldest_due(db, lane, channel)
            for channel in sorted(PUSH_CHANNELS)
            for lane in Lane
        }
        await sweep_figures.add(db, counts, db.clock.now(), due_since)
    except StoreUnavailableError as error:
        metrics.give_back(counts)
        log.warning("figures_not_kept", error=str(error))


async def count_outstanding(db: Database) -> None:
    """Once a window: it costs a scan of an index."""
    try:
        await db.ping()
        await ensure_indexes(db, INDEX_WAIT)
        await sweep_figures.note_outstanding(db, await sweeping.outstanding(db))
    except StoreUnavailableError as error:
        log.warning("figures_not_kept", error=str(error))
