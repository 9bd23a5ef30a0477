"""That each delivery was settled once: every sample ends by looking. And when: for the rates.

Fogbell's records and those of the peers have the fields that are read here in common.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.plot import Plot, raw
from fogbell_local.processes import Program

POLL_SECONDS, LONGEST_POLL = 0.1, 2.0
ASKING = 50
"""A question that takes long is asked less often: for a fiftieth of the time."""

DELIVERED_ONCE = {"status": "delivered", "attempts": 1, "outcomes": ["accepted"]}


class ProofError(Exception):
    """Something was lost, repeated or left over: the sample is worth nothing."""


@dataclass(frozen=True, slots=True)
class Span:
    """When a sample's deliveries were settled, by MongoDB's clock."""

    first: datetime
    last: datetime
    behind_first: int
    """How many were settled later than the first ones."""

    @property
    def seconds(self) -> float:
        """From the first to the last."""
        return (self.last - self.first).total_seconds()

    @property
    def rate(self) -> float:
        """Deliveries a second, the start of processes and the first batch left out."""
        return self.behind_first / self.seconds if self.seconds else 0.0


async def all_settled(plot: Plot, programs: list[Program], within: float = 120.0) -> None:
    """Wait until no delivery is outstanding, as long as ``programs`` run.

    Only what is outstanding has ``sweep_at``, and both sides have a partial index on it. The
    question has to pass what thousands of settles a second have left of its entries: asked ten
    times a second, it took a seventh of MongoDB's time.
    """
    outstanding = {"sweep_at": {"$exists": True}}
    async with asyncio.timeout(within):
        while True:
            asked = time.monotonic()
            if not await plot.db.deliveries.find_one(outstanding, {"_id": True}):
                return
            alive(programs)
            took = time.monotonic() - asked
            await asyncio.sleep(min(max(POLL_SECONDS, ASKING * took), LONGEST_POLL))


async def until(check: Callable[[], bool], programs: list[Program], within: float = 60.0) -> None:
    """Wait until ``check`` holds, as long as ``programs`` run."""
    async with asyncio.timeout(within):
        while not check():
            alive(programs)
            await asyncio.sleep(POLL_SECONDS / 5)


def listens(port: int) -> bool:
    """Whether a port of loopback is taken, asked of the kernel: nobody notices the question."""
    wanted = f"0100007F:{port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()
    return any(wanted in line and line.split()[3] == "0A" for line in lines)


def alive(programs: list[Program]) -> None:
    """Raises ProofError where one of ``programs`` has ended."""
    for program in programs:
        if not program.running:
            raise ProofError(f"{program.name} has ended:\n{program.tail()}")


async def settled_once(plot: Plot, expected: int, *, but_cancelled: bool = False) -> Span:
    """Hold the records to ``expected`` deliveries, each delivered with one attempt.

    ``but_cancelled``: others may have been cancelled, without any. Raises ProofError.
    """
    found = await raw(plot.db, _COUNT)
    kinds = [{**row["_id"], "count": row["count"]} for row in found]
    if but_cancelled:
        kinds = [kind for kind in kinds if (kind["status"], kind["attempts"]) != ("cancelled", 0)]
    if kinds != [{**DELIVERED_ONCE, "count": expected}]:
        raise ProofError(f"expected {expected} deliveries delivered once, not {kinds}")
    (span,) = await raw(plot.db, _SPAN)
    behind = await plot.db.deliveries.count_documents({"settled_at": {"$gt": span["first"]}})
    return Span(span["first"], span["last"], behind)


_COUNT: list[dict[str, Any]] = [
    {
        "$group": {
            "_id": {
                "status": "$status",
                "attempts": {"$size": {"$ifNull": ["$attempts", []]}},
                "outcomes": "$attempts.outcome",
            },
            "count": {"$sum": 1},
        }
    }
]
_SPAN: list[dict[str, Any]] = [
    {
        "$group": {
            "_id": None,
            "first": {"$min": "$settled_at"},
            "last": {"$max": "$settled_at"},
        }
    }
]
