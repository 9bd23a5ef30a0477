"""The alerts as the chart installs them."""

import json
from pathlib import Path

import yaml
from monitoring.alerts import ALERTS
from monitoring.dashboards import BOARDS
from monitoring.objective import Objective
from monitoring.queries import matchers
from monitoring.rules import rules as rules_of
from tests.chart.rendering import NAMESPACE, RELEASE, VALUES, Object, parsed, render, template
from tests.support.promtool import checked_rules

ON = ("metrics.podMonitor.enabled=true", "metrics.rules.enabled=true")
HERE = {"namespace": NAMESPACE, "release": RELEASE}
RUNBOOKS = "https://runbooks.example.org/fogbell/"


def test_the_alerts_are_of_this_installation_and_prometheus_takes_them(tmp_path: Path) -> None:
    wanted = (*ON, f"metrics.rules.runbooks={RUNBOOKS}")
    spec = render("minimal", *wanted).one("PrometheusRule", RELEASE)["spec"]
    rules = rules_in(spec)
    assert rules.keys() == {alert.name for alert in ALERTS}
    expected = rules_in(rules_of(HERE))
    assert expressions(expected) == expressions(rules)
    assert all(matchers(HERE) in r["expr"] and "@" not in r["expr"] for r in rules.values())
    labels = {name: rule["labels"] for name, rule in rules.items()}
    assert labels == {name: rule["labels"] for name, rule in expected.items()}
    assert all(HERE.items() <= own.items() for own in labels.values())
    urls = {rule["annotations"]["runbook_url"] for rule in rules.values()}
    assert f"{RUNBOOKS}no-consumers.md" in urls
    run = checked_rules(spec, tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr


def test_an_objective_of_ones_own_is_what_the_alerts_hold_to(tmp_path: Path) -> None:
    on = {"enabled": True}
    aim = {"share": 0.999, "seconds": 60}
    wanted = {"podMonitor": on, "rules": on, "dashboards": on, "objective": aim}
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump({"metrics": wanted}))
    rendered = parsed(template("--values", VALUES / "minimal.yaml", "--values", values).stdout)
    overview = rendered.one("ConfigMap", f"{RELEASE}-dashboard-overview")["data"]
    (text,) = overview.values()
    assert 'le=\\"60.0\\"' in text
    assert "/ 0.001" in text
    spec = rendered.one("PrometheusRule", RELEASE)["spec"]
    assert expressions(rules_in(spec)) == expressions(rules_in(rules_of(HERE, Objective(**aim))))


def test_where_there_is_no_operator_nothing_is_said_of_it() -> None:
    spec = render("minimal", *ON, "operator.enabled=false").one("PrometheusRule", RELEASE)["spec"]
    assert rules_in(spec).keys() == {alert.name for alert in ALERTS if not alert.operator}


def rules_in(document: Object) -> dict[str, Object]:
    """Every rule, by the alert's name."""
    return {rule["alert"]: rule for group in document["groups"] for rule in group["rules"]}


def expressions(rules: dict[str, Object]) -> dict[str, str]:
    return {name: rule["expr"] for name, rule in rules.items()}


def test_grafanas_sidecar_finds_every_dashboard() -> None:
    maps = render("minimal", "metrics.dashboards.enabled=true").of("ConfigMap")
    found = {name: o for name, o in maps.items() if "dashboard" in name}
    assert found.keys() == {f"{RELEASE}-dashboard-{board.uid[8:]}" for board in BOARDS}
    for o in found.values():
        assert o["metadata"]["labels"]["grafana_dashboard"] == "1"
        (text,) = o["data"].values()
        assert "@" not in text
        assert json.loads(text)["panels"]
