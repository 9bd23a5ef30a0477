"""What has lost a lease waits its turn here: tried one at a time, it may have to wait for long."""

import asyncio
from collections.abc import Iterable
from uuid import UUID

import structlog

log = structlog.get_logger(__name__)

MOST_WAITING = 1_000
"""Ids a lane. What comes beyond them is left to the sweep, whose pauses grow meanwhile."""


class Suspects:
    """Ids in the order in which they came, each once: the sweep names again what waits for long."""

    def __init__(self) -> None:
        self._ids: dict[UUID, None] = {}
        self._there = asyncio.Event()

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, ids: Iterable[UUID]) -> None:
        """Let ``ids`` wait, as far as there is room."""
        for one in ids:
            if one not in self._ids and len(self._ids) >= MOST_WAITING:
                log.warning("suspect_left_to_sweep", waiting=len(self._ids), delivery=str(one))
            else:
                self._ids[one] = None
                self._there.set()

    async def next(self) -> UUID:
        """The one that waits longest, as soon as there is one; for one caller at a time."""
        while not self._ids:
            self._there.clear()
            await self._there.wait()
        one = next(iter(self._ids))
        del self._ids[one]
        return one
