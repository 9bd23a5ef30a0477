"""Measuring rows: every case once a round, so that what changes on the machine meets all alike."""

import asyncio
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.people import seed
from bench.plot import Ground, Plot
from bench.sizes import Sizes
from bench.values import Case, Row, Sample

Say = Callable[[str], None]
LONGEST_SAMPLE = 1800.0


@dataclass(slots=True)
class Measured:
    """One row's samples, and what went wrong: a sentence each."""

    row: Row
    samples: list[Sample] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


async def measure(ground: Ground, rows: Sequence[Row], sizes: Sizes, say: Say) -> list[Measured]:
    """Measure each row, one after the other."""
    return [await _measure_row(ground, row, sizes, say) for row in rows]


async def _measure_row(ground: Ground, row: Row, sizes: Sizes, say: Say) -> Measured:
    measured = Measured(row)
    say(f"{row.name}: {row.title}")
    if row.prepare is not None:
        await row.prepare()
    async with ground.plot(row.name) as plot:
        await seed(plot.db, row.people(sizes))
        for number in range(1, (1 if row.once else sizes.rounds) + 1):
            for case in row.cases(sizes):
                await _measure_case(plot, case, number, measured, say)
    return measured


async def _measure_case(plot: Plot, case: Case, number: int, measured: Measured, say: Say) -> None:
    """A case that fails is told, and costs the others nothing."""
    row, began = measured.row, time.monotonic()
    try:
        async with asyncio.timeout(LONGEST_SAMPLE):
            figures = await case.measure(plot)
    except Exception as error:
        fault = f"{row.name}, {case.system}, {case.setting}: {type(error).__name__}: {error}"
        measured.faults.append(fault)
        say(f"  FAILED {fault}\n{traceback.format_exc()}")
    else:
        measured.samples.append(Sample(case.system, case.setting, number, figures))
        shown = f"{figures[row.figure]:,.1f} {row.unit}" if row.figure in figures else ""
        took = time.monotonic() - began
        say(f"  {number}  {case.system:<16} {case.setting:<14} {shown:>26}  ({took:.0f} s)")
    finally:
        await plot.clear()
