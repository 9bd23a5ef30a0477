"""Writing down how far an expansion is, for a later start and for whoever asks meanwhile."""

import contextlib
import time
from collections import Counter
from datetime import timedelta

from fogbell.store import expansions, progress
from fogbell.store.database import Database, StoreUnavailableError
from fogbell.store.expansions import ExpansionLease

CHECKPOINT_INTERVAL = 0.5
"""Seconds between two checkpoints while pages keep finishing."""

SUMMARY_INTERVAL = 5.0
"""Seconds, at least, between two summaries of a large run."""

SUMMARY_SHARE = 20
"""A summary is written after so many times what the last one took: it holds the pages up."""


class LeaseLostError(Exception):
    """Another process has taken the expansion over, or it was cancelled."""


class Checkpoints:
    """Moves the cursor at most every `CHECKPOINT_INTERVAL`, which renews the lease as well."""

    def __init__(self, db: Database, lease: ExpansionLease, span: timedelta) -> None:
        self._db = db
        self._lease = lease
        self._span = span
        self._cursor = lease.cursor
        self._inserted = Counter(lease.inserted)
        self._last = time.monotonic()
        # The first as soon as there is much: until then whoever asks has to count.
        self._summary_at = self._last
        self.renew_every = span.total_seconds() / 4
        """Seconds after which `renew` is due where no page is done: one may take a minute."""

    async def reach(self, cursor: str, inserted: Counter[str]) -> None:
        """Everything up to ``cursor`` is done, the last of it with so many deliveries by channel.

        Raises `LeaseLostError`.
        """
        self._cursor = cursor
        self._inserted += inserted
        if time.monotonic() - self._last >= CHECKPOINT_INTERVAL:
            await self.renew()

    async def renew(self) -> None:
        """Write down how far it is. Raises `LeaseLostError`."""
        lease = self._lease
        held = await expansions.checkpoint(
            self._db,
            lease.notification.id,
            lease.token,
            self._cursor,
            self._span,
            inserted=self._inserted,
        )
        if not held:
            raise LeaseLostError
        self._last = time.monotonic()
        if self._last >= self._summary_at and self._inserted.total() > progress.EXACT_LIMIT:
            await self._summarise()

    async def _summarise(self) -> None:
        lease, began = self._lease, time.monotonic()
        # Nothing depends on it: the next one will do.
        with contextlib.suppress(StoreUnavailableError):
            await progress.summarise(self._db, lease.notification.id, lease.token, self._inserted)
        now = time.monotonic()
        self._summary_at = now + max(SUMMARY_INTERVAL, SUMMARY_SHARE * (now - began))
