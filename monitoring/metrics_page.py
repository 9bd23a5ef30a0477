"""Writes the table of docs/metrics.md: ``python -m monitoring.metrics_page``."""

from collections.abc import Iterator
from typing import Final

from monitoring.catalogue import Metric, metrics
from monitoring.pages import DOCS, write

DOCUMENT: Final = DOCS / "metrics.md"


def table() -> str:
    """Every metric, as Markdown."""
    lines = ["| metric | kind | labels | served by | meaning |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join(_cells(metric))} |" for metric in metrics()]
    return "\n".join(lines)


def _cells(metric: Metric) -> Iterator[str]:
    yield f"`{metric.name}`"
    yield metric.kind
    yield ", ".join(f"`{label}`" for label in metric.labels) or "none"
    yield ", ".join(metric.components)
    yield metric.meaning


if __name__ == "__main__":
    write(DOCUMENT, "metrics", table())
