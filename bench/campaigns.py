"""A whole run of some size with one worker whose sends do nothing, watched while it goes on.

Retry sweeps beside it: it writes how far a large run is, for who asks.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass

from bench import subject
from bench.people import seed
from bench.plot import Plot
from bench.proof import all_settled, settled_once
from bench.subject import NOOP, SHORT_CONTENT, Watch
from bench.usage import Usage

LONGEST = 1500.0


@dataclass(frozen=True, slots=True)
class Size:
    """How many deliveries a run has."""

    count: int

    @property
    def setting(self) -> str:
        """How a case of this size is called: ``1,000,000``."""
        return f"{self.count:,}"


@dataclass(frozen=True, slots=True)
class Run:
    """What a run took: peaks in bytes, seconds from the first to the last settled."""

    runner_peak: int
    worker_peak: int
    seconds: float


async def run_of(plot: Plot, size: Size, meanwhile: Callable[[str], Awaitable[None]]) -> Run:
    """Run a campaign of that size to its end; ``meanwhile`` is called with the path of its
    notification, and cancelled at the end.
    """
    await plot.db.recipients.delete_many({})
    await seed(plot.db, size.count)
    (worker,) = await subject.start_workers(plot, 1, **NOOP)
    runner, run = await subject.start_runner(plot, SHORT_CONTENT)
    watch = Watch(runner)
    asking = _begun(plot, meanwhile, f"/v1/notifications/{run}")
    async with _beside(subject.sweep_on(plot)), _beside(asking):
        await watch.ended()
        await all_settled(plot, [worker.program], LONGEST)
    span = await settled_once(plot, size.count)
    return Run(watch.peak, Usage.of(worker.program.pid).peak, span.seconds)


@contextlib.asynccontextmanager
async def _beside(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """``work`` goes on during the block, and is cancelled at its end. Raises what it has raised."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _begun(plot: Plot, meanwhile: Callable[[str], Awaitable[None]], path: str) -> None:
    """``meanwhile``, as soon as there is a notification to ask for."""
    while await plot.db.notifications.find_one({}, {"_id": True}) is None:
        await asyncio.sleep(0.02)
    await meanwhile(path)
