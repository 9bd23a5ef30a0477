"""From answers to what is drawn: names, numbers as people read them, rows of equal times. Pure."""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from monitoring.dashboards.board import Unit
from monitoring.recording import Line

_SCALES: Final = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_TIMES: Final = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"))


def legend(pattern: str, labels: Mapping[str, str]) -> str:
    """``{{channel}}`` and the like, filled in; a label that is not there is empty."""
    return re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], ""), pattern).strip()


def shown(value: float, unit: Unit) -> str:
    """``value`` with its unit, shortened: ``1.2k/s``, ``250 ms``, ``99.5%``."""
    if math.isnan(value):
        return "no data"
    if unit is Unit.YES_NO:
        return "yes" if value else "no"
    if unit is Unit.FROM_NOW:
        return datetime.fromtimestamp(value / 1000, UTC).strftime("%H:%M:%S")
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


def aligned(lines: Sequence[Line]) -> tuple[list[float], list[list[float]]]:
    """All times, and each line's values at them: 0 where it has none."""
    times = sorted({at for line in lines for at, _ in line.points})
    found = [dict(line.points) for line in lines]
    rows = [[_number(values.get(at, 0.0)) for at in times] for values in found]
    return times, rows


def buckets(lines: Sequence[Line]) -> tuple[list[float], list[float], list[list[float]]]:
    """Times, upper bounds, and for each bound the values that lie between it and the one below."""
    ordered = sorted(lines, key=lambda line: float(line.labels["le"]))
    times, rows = aligned(ordered)
    below = [[0.0] * len(times), *rows[:-1]]
    between = [
        [max(0.0, value - less) for value, less in zip(row, lower, strict=True)]
        for row, lower in zip(rows, below, strict=True)
    ]
    return times, [float(line.labels["le"]) for line in ordered], between


def _number(value: float) -> float:
    return 0.0 if math.isnan(value) else value
