"""``progress``: how long ``GET /v1/notifications/{id}`` takes while the run goes on."""

import itertools
from functools import partial

from bench import subject
from bench.campaigns import Size, run_of
from bench.http import Pacer, get, milliseconds
from bench.plot import Plot
from bench.proof import ProofError
from bench.sizes import Sizes
from bench.subject import HEADERS
from bench.values import FOGBELL, Aim, Case, Figures, Medians, Row

ASKS_A_SECOND = 5


def cases(sizes: Sizes) -> list[Case]:
    """A run of each size."""
    return [Case(FOGBELL, Size(n).setting, partial(_measured, size=Size(n))) for n in sizes.growth]


async def _measured(plot: Plot, size: Size) -> Figures:
    _, port = await subject.start_intake(plot)
    pacer = Pacer(port, ASKS_A_SECOND)

    async def ask(path: str) -> None:
        await pacer.send(itertools.repeat(get(path, HEADERS)))

    run = await run_of(plot, size, ask)
    if not pacer.timed or any(timed.answer.status != 200 for timed in pacer.timed):
        raise ProofError("expected 200 to every question")
    seconds = [timed.seconds for timed in pacer.timed]
    return {
        **milliseconds(seconds),
        "slowest_ms": max(seconds) * 1000,
        "asked": float(len(seconds)),
        "deliveries": float(size.count),
        "rate": size.count / run.seconds if run.seconds else 0.0,
    }


def aims(medians: Medians) -> list[Aim]:
    """With the largest run."""
    last = (medians.settings(FOGBELL) or [""])[-1]
    slowest = medians.get(FOGBELL, last, "p99_ms")
    return [Aim("progress: p99 during the largest run", slowest, "ms", most=50)]


ROW = Row(
    name="progress",
    title="asking how far a run is, while it goes on",
    figure="p99_ms",
    unit="ms (p99)",
    cases=cases,
    aims=aims,
    less_is_better=True,
    once=True,
)
