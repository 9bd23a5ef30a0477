"""Who watches while faults happen: which alerts have rung, and which expressions have had data."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Iterable, Mapping

from monitoring.dashboards import BOARDS
from monitoring.objective import Objective
from monitoring.queries import RATE, hastened, matchers, placed
from tests.support.prometheus import Watch
from tests.support.waiting import eventually

FACTOR = 60
"""Every duration of alerts and panels is so many times as short: minutes are seconds."""

HERE = {"namespace": "notify", "release": "fogbell"}
AIM = Objective(share=0.99, seconds=0.5)
PAUSE = 0.5


def panels(*, operator: bool, here: Mapping[str, str] = HERE) -> dict[str, str]:
    """Each expression of each panel as it is `asked` for, by where it stands; the ``operator``'s or
    all others.
    """
    return {
        f"{board.title}, {panel.title}, {number}": asked(series.expression, here)
        for board in BOARDS
        for panel in board.panels
        for number, series in enumerate(panel.series)
        if _of_operator(series.expression) == operator
    }


def asked(expression: str, here: Mapping[str, str] = HERE) -> str:
    """A panel's expression, hastened, for the installation that the labels ``here`` choose."""
    return placed(hastened(AIM.fill(expression), FACTOR), matchers(here)).replace(RATE, "5s")


def _of_operator(expression: str) -> bool:
    own = ("fogbell_operator_", "fogbell_campaign_")
    return any(word in expression for word in own) and "run_inserted" not in expression


class Witness:
    """Looks again and again. ``ever`` are alerts that have rung, ``silent`` expressions without
    data so far.
    """

    def __init__(self, watch: Watch, expressions: Iterable[str]) -> None:
        self._watch = watch
        self._ringing: set[str] = set()
        self._rung: set[str] = set()
        self.ever: set[str] = set()
        self.silent = set(expressions)

    async def until_rings(self, alert: str, within: float) -> None:
        """Wait until ``alert`` has reached Alertmanager since it was last waited to be silent.

        Raises AssertionError.
        """

        def rings() -> bool:
            assert alert in self._rung, f"{alert} has not rung, but {sorted(self._rung)}"
            return True

        await eventually(rings, within, PAUSE / 5)

    async def until_silent(self, alerts: Collection[str], within: float) -> None:
        """Wait until none of ``alerts`` rings. Raises AssertionError."""

        def silent() -> bool:
            assert self._ringing.isdisjoint(alerts), f"still ringing: {sorted(self._ringing)}"
            return True

        await eventually(silent, within, PAUSE / 5)
        self._rung.difference_update(alerts)

    async def look(self) -> None:
        """Once."""
        self._ringing = await asyncio.to_thread(self._watch.alerts)
        self._rung |= self._ringing
        self.ever |= self._ringing
        for expression in sorted(self.silent):
            if await asyncio.to_thread(self._watch.query, expression):
                self.silent.discard(expression)

    @contextlib.asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        """Look again and again while the block runs; what fails in it fails the block."""

        async def for_ever() -> None:
            while True:
                await self.look()
                await asyncio.sleep(PAUSE)

        async with asyncio.TaskGroup() as group:
            task = group.create_task(for_ever())
            yield
            task.cancel()
