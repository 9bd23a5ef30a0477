"""From answers to what is drawn: names, numbers as people read them, rows of equal times. Pure."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from monitoring.dashboards.board import Unit
from monitoring.recording import Labels, Line

_SCALES: Final = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_TIMES: Final = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"))


@dataclass(frozen=True, slots=True)
class Answer:
    """One line of a panel: ``values`` are a second apart, NaN where there was none."""

    name: str
    labels: Labels
    values: list[float]

    @property
    def filled(self) -> list[float]:
        """The same with 0 where there was none: what is added up has no gaps."""
        return [0.0 if math.isnan(value) else value for value in self.values]


def legend(pattern: str, labels: Labels) -> str:
    """``{{channel}}`` and the like, filled in; a label that is not there is empty."""
    return re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], ""), pattern).strip()


def shown(value: float, unit: Unit) -> str:
    """``value`` with its unit, shortened: ``1.2k/s``, ``250 ms``, ``99.5%``."""
    if math.isnan(value):
        return "no data"
    if unit is Unit.YES_NO:
        return "yes" if value else "no"
    if unit is Unit.FROM_NOW:
        return datetime.fromtimestamp(value / 1000, UTC).strftime("%d %b %H:%M")
    if unit is Unit.SHARE:
        return f"{value * 100:.4g}%"
    if unit is Unit.SECONDS:
        return _scaled(value, _TIMES, " ") if value else "0 s"
    after = {Unit.PER_SECOND: "/s", Unit.TIMES: "x", Unit.BYTES: "B"}.get(unit, "")
    return _scaled(value, _SCALES, "") + after


def _scaled(value: float, scales: Sequence[tuple[float, str]], space: str) -> str:
    if math.isinf(value):
        return "inf"
    for size, name in scales:
        if abs(value) >= size:
            return f"{value / size:.3g}{space}{name}"
    size, name = scales[-1] if scales[-1][0] < 1 else (1.0, "")
    return f"{value / size:.3g}{space if name else ''}{name}"


def aligned(line: Line, start: float, end: float) -> list[float]:
    """Its values at each second from ``start`` to ``end``: NaN where it has none."""
    values = {round(at - start): value for at, value in line.points}
    return [values.get(second, math.nan) for second in range(round(end - start) + 1)]


def buckets(answers: Sequence[Answer]) -> tuple[list[float], list[list[float]]]:
    """Upper bounds, and for each the values that lie between it and the one below; 0 for none.

    A histogram's buckets hold all that is below their bound.
    """
    ordered = sorted(answers, key=lambda answer: float(answer.labels["le"]))
    rows = [answer.filled for answer in ordered]
    below = [[0.0] * len(row) for row in rows[:1]] + rows[:-1]
    between = [
        [max(0.0, value - less) for value, less in zip(row, lower, strict=True)]
        for row, lower in zip(rows, below, strict=True)
    ]
    return [float(answer.labels["le"]) for answer in ordered], between
