"""Holding deliveries, each by a claim of its own or all with their chunk, and giving them back.

Both ways keep the same promises: an error is never taken for a no, and no send starts that might
not be recorded before the lease ends.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import structlog

from fogbell.model.delivery import Claimed
from fogbell.policy import last_start
from fogbell.store import chunks, claims
from fogbell.store.chunks import Chunk
from fogbell.store.database import Database, StoreUnavailableError
from fogbell_worker.lane_settings import LaneSettings
from fogbell_worker.recording import FIRST_PAUSE, LONGEST_PAUSE

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Lease:
    """What of ``ids`` is held under ``token``, and until when (monotonic) a send may start.

    ``chunk`` is None where each has a claim of its own.
    """

    token: str
    ids: Sequence[UUID]
    chunk: Chunk | None = None
    claimed: list[Claimed] = field(default_factory=list)
    last_start: float = 0.0


class Leases:
    """Takes the leases of one lane, and gives them back."""

    def __init__(self, db: Database, settings: LaneSettings, send_timeout: float) -> None:
        self._db = db
        self._settings = settings
        self._send_timeout = send_timeout

    async def take(self, ids: Sequence[UUID], *, alone: bool, chunk: str | None) -> Lease:
        """Hold what can be held; while MongoDB is away wait, and never take an error for a no."""
        settings = self._settings
        whole = Chunk(chunk, settings.lane, settings.channel, ids) if chunk is not None else None
        pause = FIRST_PAUSE
        unsure: list[Lease] = []
        while True:
            lease = Lease(claims.new_token(), ids, whole)
            taken_at = time.monotonic()
            try:
                for earlier in unsure:
                    await self._give_back(earlier)
                unsure.clear()
                lease.claimed = await self._claim(lease, alone=alone)
            except StoreUnavailableError as error:
                unsure.append(lease)
                channel = settings.channel.value
                log.warning("claim_waits_for_mongodb", channel=channel, error=str(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                lease.last_start = last_start(
                    taken_at, settings.lease, self._send_timeout, settings.margin
                )
                return lease

    async def _claim(self, lease: Lease, *, alone: bool) -> list[Claimed]:
        span = timedelta(seconds=self._settings.lease)
        if lease.chunk is not None:
            return await chunks.take(self._db, lease.chunk, lease.token, span)
        return await claims.claim(self._db, lease.ids, lease.token, span, alone=alone)

    async def _give_back(self, lease: Lease) -> None:
        """What may be held though no answer came; nothing was sent."""
        if lease.chunk is not None:
            await chunks.end(self._db, lease.chunk.token, lease.token)
        else:
            await claims.release(self._db, lease.ids, lease.token)

    async def end(self, lease: Lease, unsent: Sequence[UUID], *, recorded: bool) -> None:
        """Give back what was not sent. ``recorded``: what came of all the rest is written down.

        What is not given back here ends with its lease, and the sweep takes it up then.
        """
        if unsent:
            log.info("released_unsent", deliveries=len(unsent), channel=self._settings.channel)
        try:
            if lease.chunk is None:
                if unsent:
                    await claims.release(self._db, unsent, lease.token)
            elif recorded:
                # All that is pending is to be had again; so nothing sent may still be pending.
                await chunks.end(self._db, lease.chunk.token, lease.token)
        except StoreUnavailableError:
            log.warning("release_left_to_lease", deliveries=len(unsent))
