"""Writes the table of docs/metrics.md: ``python -m monitoring.metrics_page``."""

from collections.abc import Mapping
from typing import Final

from monitoring.alerts import ALERTS
from monitoring.catalogue import Metric, metrics
from monitoring.dashboards import BOARDS
from monitoring.pages import DOCS, markdown, write
from monitoring.queries import used

DOCUMENT: Final = DOCS / "metrics.md"


def table() -> str:
    """Every metric, as Markdown."""
    heads = ("metric", "kind", "labels", "served by", "meaning", "used by")
    users = uses()
    return markdown(heads, (_cells(metric, users[metric.name]) for metric in metrics()))


def uses() -> Mapping[str, set[str]]:
    """The alerts and dashboards that use a metric, by its name."""
    found: dict[str, set[str]] = {metric.name: set() for metric in metrics()}
    asked = [(alert.name, alert.expression) for alert in ALERTS]
    for board in BOARDS:
        for panel in board.panels:
            asked += [(board.uid, series.expression) for series in panel.series]
    for name, expression in asked:
        for metric in used(expression):
            found[metric.name].add(name)
    return found


def _cells(metric: Metric, users: set[str]) -> tuple[str, ...]:
    return (
        f"`{metric.name}`",
        metric.kind,
        ", ".join(f"`{label}`" for label in metric.labels) or "none",
        ", ".join(metric.components),
        metric.meaning,
        ", ".join(f"`{name}`" for name in sorted(users)),
    )


if __name__ == "__main__":
    write(DOCUMENT, "metrics", table())
