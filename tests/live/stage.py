"""The system, what watches it, and traffic that goes on whatever happens."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2
from tests.support.prometheus import Targets
from tests.support.system import System, mail
from tests.support.waiting import eventually
from tests.support.watching import Witness

from fogbell_local.processes import Component

LOOK_EVERY = 0.5
POST_EVERY = 0.2


class Stage:
    """Where faults are made. What it does runs beside what it looks at."""

    def __init__(self, system: System, targets: Targets, witness: Witness) -> None:
        self.system, self.targets, self.witness = system, targets, witness

    def scrape(self, *more: Component) -> None:
        """Scrape all that live."""
        alive = [c for c in self.system.started if c.program.exit_status is None]
        retry = [self.system.sweeping] if self.system.sweeping else []
        self.targets.replace([*alive, *retry, *more])

    async def watched(self) -> None:
        """Wait until all that live are scraped, and nothing rings that rang before that."""
        self.scrape()

        async def seen() -> bool:
            samples = await asyncio.to_thread(self.witness.watch.query, "count(up == 1)")
            assert [sample.value for sample in samples] == [len(self.system.started) + 1]
            assert not await asyncio.to_thread(self.witness.watch.ringing)
            return True

        await eventually(seen, 60, LOOK_EVERY)

    @contextlib.asynccontextmanager
    async def fault(self, *alerts: str, within: float = 60) -> AsyncIterator[None]:
        """What the block does makes ``alerts`` ring, all of them; before it they are silent, what
        had made them ring being mended.
        """
        await self.until_silent(*alerts)
        yield
        await self.until_rung(*alerts, within=within)

    async def until_rung(self, *alerts: str, within: float) -> None:
        """Wait until each of ``alerts`` has reached Alertmanager. Raises AssertionError."""
        missing = set(alerts)

        def rung() -> bool:
            missing.difference_update({a for a in missing if self.witness.rings(a)})
            assert not missing, f"ringing are {self.witness.ringing}"
            return True

        await eventually(rung, within, LOOK_EVERY / 5)

    async def until_silent(self, *alerts: str, within: float = 90) -> None:
        """Wait until none of ``alerts`` rings. Raises AssertionError."""

        def silent() -> bool:
            assert not [a for a in alerts if self.witness.rings(a)], self.witness.ringing
            return True

        await eventually(silent, within, LOOK_EVERY / 5)

    def looking(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Look again and again while the block runs."""

        async def look() -> None:
            await asyncio.to_thread(self.witness.look)
            await asyncio.sleep(LOOK_EVERY)

        return repeated(look)

    @contextlib.asynccontextmanager
    async def traffic(self) -> AsyncIterator[None]:
        """A mail to one person after the other while the block runs, accepted or not."""
        numbers = itertools.count()
        async with asyncio.TaskGroup() as posts:

            async def begin() -> None:
                posts.create_task(self._post(f"person{next(numbers)}@example.org"))
                await asyncio.sleep(POST_EVERY)

            async with repeated(begin):
                yield

    async def _post(self, address: str) -> None:
        with contextlib.suppress(httpx2.TransportError):
            await self.system.client.post("/v1/notifications", json=mail(address))


@contextlib.asynccontextmanager
async def repeated(round_: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Do it again and again while the block runs, and to its end; what fails in it fails the
    block.
    """
    over = asyncio.Event()

    async def rounds() -> None:
        while not over.is_set():
            await round_()

    async with asyncio.TaskGroup() as group:
        group.create_task(rounds())
        try:
            yield
        finally:
            over.set()
