"""``memory``: the most that runner, worker and intake hold in memory, for runs of growing size.

The sends do nothing. While a run goes on its progress is asked for, as its sender would.
"""

import asyncio
from functools import partial

from bench import subject
from bench.campaigns import Size, run_of
from bench.http import Connection, get
from bench.plot import Plot
from bench.sizes import Sizes
from bench.subject import HEADERS
from bench.usage import Usage
from bench.values import FOGBELL, Aim, Case, Figures, Medians, Row, ratio

COMPONENTS = ("runner", "worker", "intake")
ASK_SECONDS = 0.25


def cases(sizes: Sizes) -> list[Case]:
    """A run of each size."""
    return [Case(FOGBELL, Size(n).setting, partial(_measured, size=Size(n))) for n in sizes.growth]


async def _measured(plot: Plot, size: Size) -> Figures:
    intake, port = await subject.start_intake(plot)

    async def ask(path: str) -> None:
        connection = await Connection.open(port)
        try:
            while True:
                await connection.request(get(path, HEADERS))
                await asyncio.sleep(ASK_SECONDS)
        finally:
            connection.close()

    run = await run_of(plot, size, ask)
    own = {"runner": run.runner_peak, "worker": run.worker_peak, "intake": _peak(intake)}
    figures = {f"{name}_peak_mb": peak / 1e6 for name, peak in own.items()}
    return {**figures, "peak_mb": max(figures.values()), "deliveries": float(size.count)}


def _peak(component: subject.Component) -> int:
    return Usage.of(component.program.pid).peak


def aims(medians: Medians) -> list[Aim]:
    """The largest run against the smallest, for each component."""
    first, last = (medians.settings(FOGBELL) or [""])[0], (medians.settings(FOGBELL) or [""])[-1]
    found = []
    for name in COMPONENTS:
        ends = [medians.get(FOGBELL, s, f"{name}_peak_mb") for s in (last, first)]
        found.append(
            Aim(f"memory: {name}, largest run / smallest", ratio(*ends), "times", most=1.2)
        )
    return found


ROW = Row(
    name="memory",
    title="the most that any of runner, worker and intake holds in memory",
    figure="peak_mb",
    unit="MB",
    cases=cases,
    aims=aims,
    less_is_better=True,
    once=True,
)
