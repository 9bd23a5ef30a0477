"""``isolation``: how long a transactional mail takes, alone and while a campaign is under way.

From accepted to delivered, by the records. The recommended set-up has worker processes of their own
for each lane, and where the machine has no core to spare a campaign that keeps to a pace. Beside it
are shown one that takes all there is, and one worker for both lanes.
"""

import asyncio
from functools import partial
from uuid import UUID

from bench import postfix, subject
from bench.content import MAIL
from bench.http import Pacer, milliseconds
from bench.plot import Plot
from bench.proof import ProofError, all_settled, settled_once
from bench.rows.accept import requests, warmed
from bench.sizes import Sizes
from bench.subject import Component
from bench.values import FOGBELL, Aim, Case, Figures, Medians, Row, ratio

POSTS_A_SECOND = 50
IDLE, PACED, APART, TOGETHER = "idle", "bulk, paced", "bulk, apart", "bulk, together"
_EACH = ("transactional", "bulk")
LANES = {IDLE: _EACH, PACED: _EACH, APART: _EACH, TOGETHER: (None,)}
"""The lanes of each worker process; None: one for both."""

PACE = 1_000
"""``throttle.perSecond`` of the paced campaign: about a quarter of what this machine can do."""


def cases(sizes: Sizes) -> list[Case]:
    """Idle, and during a campaign in each set-up."""
    return [Case(FOGBELL, name, partial(_measured, sizes=sizes, setting=name)) for name in LANES]


async def _measured(plot: Plot, sizes: Sizes, setting: str) -> Figures:
    sink = await postfix.start_sink(plot)
    intake, port = await subject.start_intake(plot)
    workers = [await _worker(plot, sink, lane) for lane in LANES[setting]]
    await subject.ready(workers)
    await warmed(plot, intake, port, 1)
    taken = await _quiet(sink)
    bulk = sizes.isolation_bulk if setting != IDLE else 0
    pace = PACE if setting == PACED else None
    run = await _campaign_under_way(plot, pace) if bulk else None
    await Pacer(port, POSTS_A_SECOND).send(requests(sizes.isolation_posts))
    lasted = not bulk or await _outstanding(plot)
    if run is not None:
        await subject.cancel(port, run)  # The rest would take minutes, and nobody is measured.
    await all_settled(plot, [worker.program for worker in workers], within=900)
    # Each mail that has arrived is of a delivery that is recorded, and the other way round.
    await settled_once(plot, await _quiet(sink) - taken, but_cancelled=run is not None)
    seconds = await _waited(plot)
    return {
        **milliseconds(seconds),
        "posts": len(seconds),
        "bulk": bulk,
        "bulk_outlasted_posts": float(lasted),
    }


async def _worker(plot: Plot, sink: postfix.Sink, lane: str | None) -> Component:
    lanes = {} if lane is None else {"FOGBELL_LANES": lane}
    return await subject.start_worker(plot, smtp_url=sink.url, **lanes)


async def _quiet(sink: postfix.Sink) -> int:
    """What the sink has taken once nothing more comes: of the posts that warmed all up."""
    seen = -1
    while seen != sink.mails:
        seen = sink.mails
        await asyncio.sleep(0.5)
    return seen


async def _campaign_under_way(plot: Plot, pace: int | None) -> UUID:
    """Start a campaign's run; return once some of it is delivered."""
    runner, run = await subject.start_runner(plot, MAIL, per_second=pace)
    while not await plot.db.deliveries.find_one({"status": "delivered", "lane": "bulk"}):
        if runner.program.exit_status not in (None, 0):
            raise ProofError(f"the runner has ended:\n{runner.program.tail()}")
        await asyncio.sleep(0.05)
    return run


async def _outstanding(plot: Plot) -> bool:
    due = {"lane": "bulk", "sweep_at": {"$exists": True}}
    return await plot.db.deliveries.find_one(due, {"_id": True}) is not None


async def _waited(plot: Plot) -> list[float]:
    """Seconds from accepted to delivered, of each transactional delivery."""
    fields = {"created_at": True, "settled_at": True}
    cursor = plot.db.deliveries.find({"lane": "transactional"}, fields)
    return [(d["settled_at"] - d["created_at"]).total_seconds() async for d in cursor]


def aims(medians: Medians) -> list[Aim]:
    """The slowest percent, during a campaign against idle, in the recommended set-up; and where
    nothing holds the campaign back.
    """
    idle, paced, full = (medians.get(FOGBELL, name, "p99_ms") for name in (IDLE, PACED, APART))
    return [
        Aim("isolation: p99 during a paced campaign / idle", ratio(paced, idle), "times", most=3),
        Aim("isolation: p99 during one at full speed / idle", ratio(full, idle), "times", most=3),
    ]


ROW = Row(
    name="isolation",
    title="from accepted to delivered for transactional mails, idle and during a campaign",
    figure="p99_ms",
    unit="ms (p99)",
    cases=cases,
    aims=aims,
    people=lambda sizes: sizes.isolation_bulk,
    less_is_better=True,
    prepare=postfix.provide,
)
