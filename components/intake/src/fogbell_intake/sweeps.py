"""What sweeps have done, shown by a process that stays: theirs end each minute."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fogbell.store import sweep_figures
from fogbell.store.database import Database, StoreUnavailableError
from fogbell.store.sweep_figures import (
    CALLBACKS,
    PURGED,
    RELEASED,
    SETTLED,
    SWEEPS,
    UNCLAIMED,
    SweepFigures,
)

Clock = Callable[[], datetime]

_COUNTERS: Final = (
    (
        "fogbell_sweep_released",
        "What went back to a queue: `publish_lost`, `deferred` (put back untried by a worker),"
        " `retry_due`, `expansion`, `replay`. `lease_expired` counts leases that were ended,"
        " also where the queue had no room at that moment.",
        RELEASED,
        ("reason",),
    ),
    (
        "fogbell_sweep_unclaimed",
        "Deliveries that no worker had claimed within their grace, and that were queued again. In"
        " the lane `bulk` a long queue does it.",
        UNCLAIMED,
        ("channel", "lane"),
    ),
    (
        "fogbell_callbacks_created",
        "Events that are told to senders' endpoints, one for each endpoint. Their sending counts as"
        " deliveries of the channel `webhook`.",
        CALLBACKS,
        ("event",),
    ),
    ("fogbell_sweeps", "Sweeps: `done`, or `failed` for want of MongoDB.", SWEEPS, ("outcome",)),
    (
        "fogbell_notifications_settled",
        "Notifications whose totals a sweep has made final.",
        SETTLED,
        (),
    ),
    (
        "fogbell_notifications_purged",
        "Notifications deleted at the end of their retention.",
        PURGED,
        (),
    ),
)
"""Each with its meaning, what the names of its counts begin with, and the labels that follow."""


class SweepCollector(Collector):
    """Shows `SweepFigures`; ages are those of the moment of the scrape.

    Every replica shows the same: queries take the maximum, not the sum.
    """

    def __init__(self) -> None:
        self._figures = SweepFigures()
        # Until there are figures, there is no age that it would matter for.
        self._now: Clock = lambda: datetime.now(UTC)

    def show(self, figures: SweepFigures, now: Clock) -> None:
        """Show ``figures`` from now on; ``now`` is MongoDB's clock, by which they were written."""
        self._figures, self._now = figures, now

    def lose_sight(self) -> None:
        """Show no more what may have changed since: of several replicas the highest age counts."""
        self._figures = replace(self._figures, due_since={}, outstanding={})

    def describe(self) -> Iterator[Metric]:
        """Every family, without a sample."""
        return _families(SweepFigures(), self._now())

    def collect(self) -> Iterator[Metric]:
        """Every family, with what is known."""
        return _families(self._figures, self._now())


async def watch_sweeps(db: Database, sweeps: SweepCollector, pause: float) -> None:
    """Have shown what sweeps have left, each ``pause`` seconds."""
    while True:
        try:
            sweeps.show(await sweep_figures.read(db), db.clock.now)
        except StoreUnavailableError:
            sweeps.lose_sight()
        await asyncio.sleep(pause)


def _families(figures: SweepFigures, now: datetime) -> Iterator[Metric]:
    for name, meaning, prefix, labels in _COUNTERS:
        family = CounterMetricFamily(name, meaning, labels=labels)
        for count, number in figures.counts.items():
            if count.startswith(prefix):
                family.add_metric(_values(count.removeprefix(prefix), labels), number)
        yield family
    yield from _gauges(figures, now)


def _values(word: str, labels: Sequence[str]) -> list[str]:
    """What ``word``, the rest of a count's name, says for ``labels``."""
    match labels:
        case ():
            return []
        case ("event",):
            return [word.replace("_", ".")]  # MongoDB would nest a name with a dot
        case _:
            return word.split("_", len(labels) - 1)


def _gauges(figures: SweepFigures, now: datetime) -> Iterator[Metric]:
    last = GaugeMetricFamily(
        "fogbell_sweep_last_timestamp_seconds", "When a sweep last ended well."
    )
    if figures.last_sweep_at is not None:
        last.add_metric([], figures.last_sweep_at.timestamp())
    yield last
    outstanding = GaugeMetricFamily(
        "fogbell_outstanding",
        "Deliveries that are not settled: `pending`, `sending`, `failed`. What is leased by the"
        " chunk is `pending` until it is recorded. Counted once a minute.",
        labels=["status"],
    )
    oldest = GaugeMetricFamily(
        "fogbell_oldest_outstanding_seconds",
        "By how much the most overdue delivery was past its time after the last sweep; 0 where none"
        " was. While nobody sweeps, it grows.",
        labels=["channel", "lane"],
    )
    for status, count in figures.outstanding.items():
        outstanding.add_metric([status.value], count)
    for (channel, lane), since in figures.due_since.items():
        overdue = (now - since).total_seconds() if since else 0.0
        oldest.add_metric([channel.value, lane.value], max(0.0, overdue))
    yield outstanding
    yield oldest
