"""The alerts as the chart installs them."""

import subprocess
from pathlib import Path

import yaml
from monitoring.alerts import ALERTS
from monitoring.tools import promtool
from tests.chart.rendering import NAMESPACE, RELEASE, render

RUNBOOKS = "https://runbooks.example.org/fogbell/"


def test_the_alerts_are_of_this_installation_and_prometheus_takes_them(tmp_path: Path) -> None:
    wanted = ("metrics.rules.enabled=true", f"metrics.rules.runbooks={RUNBOOKS}")
    spec = render("minimal", *wanted).one("PrometheusRule", RELEASE)["spec"]
    (group,) = spec["groups"]
    rules = {rule["alert"]: rule for rule in group["rules"]}
    assert list(rules) == [alert.name for alert in ALERTS]
    here = f'namespace="{NAMESPACE}",release="{RELEASE}"'
    assert all(here in rule["expr"] and "@" not in rule["expr"] for rule in rules.values())
    urls = {rule["annotations"]["runbook_url"] for rule in rules.values()}
    assert f"{RUNBOOKS}no-consumers.md" in urls
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump(spec))
    run = subprocess.run(
        [promtool(), "check", "rules", path], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
