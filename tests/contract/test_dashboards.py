"""Every panel asks for what there is, in words that Prometheus understands."""

import re
from pathlib import Path

import pytest
from monitoring.dashboards import BOARDS
from monitoring.dashboards.board import Panel
from monitoring.dashboards.grafana import FILES, documents
from monitoring.metrics_page import uses
from monitoring.objective import Objective
from monitoring.queries import RATE, placed, used
from tests.support.promtool import checked_rules

PANELS = [
    pytest.param(panel, id=f"{board.uid}: {panel.title}")
    for board in BOARDS
    for panel in board.panels
]


def test_the_committed_dashboards_are_todays() -> None:
    committed = {path.name: path.read_text() for path in FILES.glob("*.json")}
    assert committed == documents(), "python -m monitoring.dashboards.grafana"


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_asks_for_metrics_that_exist_and_names_labels_that_are_left(panel: Panel) -> None:
    for series in panel.series:
        metrics = list(used(series.expression))
        own = {label for metric in metrics for label in metric.labels} | {"component", "pod", "le"}
        by = re.findall(r"by \(([^)]*)\)", series.expression)
        left = {label.strip() for group in by for label in group.split(",")} if by else own
        assert set(re.findall(r"{{(\w+)}}", series.legend)) <= left & own


def test_prometheus_understands_every_expression(tmp_path: Path) -> None:
    rules = [
        {
            "record": f"panel:{number}",
            "expr": placed(Objective().fill(expression), "").replace(RATE, "1m"),
        }
        for number, expression in enumerate(
            series.expression
            for board in BOARDS
            for panel in board.panels
            for series in panel.series
        )
    ]
    run = checked_rules({"groups": [{"name": "panels", "rules": rules}]}, tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{len(rules)} rules found" in run.stdout


def test_a_dashboard_has_no_two_panels_of_one_title() -> None:
    for board in BOARDS:
        titles = [panel.title for panel in board.panels]
        assert sorted(set(titles)) == sorted(titles)


def test_every_metric_is_used_by_an_alert_or_a_panel() -> None:
    assert [name for name, users in uses().items() if not users] == []
