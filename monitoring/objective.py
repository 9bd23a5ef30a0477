"""The objective: so large a share of the transactional deliveries that arrive does so within so
many seconds of being accepted, over 30 days.

Burn rates and windows follow Google's "The Site Reliability Workbook", chapter 5, "Multiwindow,
Multi-Burn-Rate Alerts".
"""

from dataclasses import dataclass
from typing import Final

from monitoring.queries import per_second

IN_TIME, BUDGET = "@in_time", "@budget"
"""Where an objective comes in: its seconds as Prometheus writes them, and the share left over."""

FLOOR: Final = 0.02
"""Deliveries a second: below, a share says nothing."""

_TOOK = 'fogbell_end_to_end_seconds_%s{@,lane="transactional"%s}'


@dataclass(frozen=True, slots=True)
class Objective:
    """The ``share`` of transactional deliveries that arrive within ``seconds``.

    These are one of the bounds of `fogbell_end_to_end_seconds`.
    """

    share: float = 0.99
    seconds: float = 30.0

    def fill(self, expression: str) -> str:
        """``expression`` with this objective at its marks, as the chart does it."""
        filled = expression.replace(IN_TIME, f"{self.seconds:.1f}")
        return filled.replace(BUDGET, f"{1 - self.share:.6g}")


def arrivals(window: str) -> str:
    """Transactional deliveries that arrived, a second."""
    return per_second(_TOOK % ("count", ""), window=window)


def in_time(window: str) -> str:
    """Those of them that were not late."""
    return per_second(_TOOK % ("bucket", f',le="{IN_TIME}"'), window=window)


def late(window: str) -> str:
    """The share of transactional deliveries that arrived late."""
    return f"1 - {in_time(window)} / {arrivals(window)}"


def burns(rate: float, long: str, short: str) -> str:
    """Whether the objective's budget burns ``rate`` times as fast as it may, still now.

    One late mail of three says nothing: `FLOOR` of them a second have to be late.
    """
    allowed = f"{rate} * {BUDGET}"
    many = f"({arrivals(short)} - {in_time(short)}) > {FLOOR}"
    return f"({late(long)}) > {allowed} and ({late(short)}) > {allowed} and {many}"
