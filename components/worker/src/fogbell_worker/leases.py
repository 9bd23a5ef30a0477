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
    """What of ``ids`` is held by ``holder``, and until when (monotonic) a send may start.

    ``holder`` is a token: of the claims, or of who holds the lease on ``chunk``. ``refused``: the
    chunk is somebody else's.
    """

    holder: str
    ids: Sequence[UUID]
    chunk: Chunk | None = None
    claimed: list[Claimed] = field(default_factory=list)
    last_start: float = 0.0
    refused: bool = False


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
                await self._claim(lease, alone=alone)
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

    async def _claim(self, lease: Lease, *, alone: bool) -> None:
        span, holder = timedelta(seconds=self._settings.lease), lease.holder
        if lease.chunk is None:
            lease.claimed = await claims.claim(self._db, lease.ids, holder, span, alone=alone)
            return
        taken = await chunks.take(self._db, lease.chunk, holder, span)
        lease.claimed, lease.refused = taken or [], taken is None

    async def _give_back(self, lease: Lease) -> None:
        """What may be held though no answer came; nothing was sent."""
        if lease.chunk is not None:
            await chunks.end(self._db, lease.chunk.token, lease.holder)
        else:
            await claims.release(self._db, lease.ids, lease.holder)

    async def end(
        self, lease: Lease, unsent: Sequence[UUID], *, recorded: bool, comes_again: bool
    ) -> None:
        """Give back what was not sent.

        ``recorded``: what came of all the rest is written down. ``comes_again``: the message does,
        and whoever has it then takes the chunk once more. What is not given back here ends with
        its lease, and the sweep takes it up then.
        """
        try:
            if unsent and not (lease.chunk and recorded and comes_again):
                log.info("released_unsent", deliveries=len(unsent), channel=self._settings.channel)
                await self._release(lease, unsent)
            # What is still in the chunk is to be had again: so nothing of it may have been sent.
            if lease.chunk is not None and recorded and not lease.refused:
                await chunks.end(self._db, lease.chunk.token, lease.holder)
        except StoreUnavailableError:
            log.warning("release_left_to_lease", deliveries=len(unsent))

    async def _release(self, lease: Lease, unsent: Sequence[UUID]) -> None:
        if lease.chunk is None:
            await claims.release(self._db, unsent, lease.holder)
        else:
            await claims.release(self._db, unsent, lease.chunk.token, chunked=True)
