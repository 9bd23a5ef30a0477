"""Leaving an address alone, as its receiver has asked or because it is gone."""

import structlog

from fogbell.model.outcome import Attempt
from fogbell.store import endpoints, suppressions
from fogbell.store.database import Database
from fogbell_worker.loading import suppressible_address
from fogbell_worker.sending import Work

log = structlog.get_logger(__name__)


async def suppress(db: Database, work: Work, attempt: Attempt) -> None:
    """Write to the address of ``work`` no more. Never raises: the attempt is still to be recorded,
    and the next one will ask for it again.
    """
    address, reason = suppressible_address(work), attempt.reply.reason or "refused"
    try:
        if work.callback is not None:
            await endpoints.disable(db, work.callback.endpoint)
        elif address is not None:
            await suppressions.add(db, work.delivery.channel, address, reason, db.clock.now())
    except Exception:  # MongoDB is away, or refuses it
        log.exception("suppression_not_stored", delivery=str(work.delivery.id))
