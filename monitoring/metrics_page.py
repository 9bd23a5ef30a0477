"""Writes the table of docs/metrics.md: ``python -m monitoring.metrics_page``."""

import re
from collections.abc import Iterable
from pathlib import Path

from monitoring.catalogue import Metric, metrics

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"
_BEGIN, _END = "<!-- metrics: begin -->", "<!-- metrics: end -->"


def table(listed: Iterable[Metric]) -> str:
    """``listed`` as Markdown."""
    lines = ["| metric | kind | labels | served by | meaning |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join(_cells(metric))} |" for metric in listed]
    return "\n".join(lines)


def page(text: str) -> str:
    """``text``, the page, with today's table in it."""
    fresh = f"{_BEGIN}\n\n{table(metrics())}\n\n{_END}"
    return re.sub(f"{_BEGIN}.*{_END}", lambda _: fresh, text, flags=re.DOTALL)


def _cells(metric: Metric) -> tuple[str, ...]:
    labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
    return (
        f"`{metric.name}`",
        metric.kind,
        labels,
        ", ".join(metric.components),
        metric.meaning,
    )


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
