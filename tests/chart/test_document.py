"""docs/kubernetes.md: its values install, what it names is there, and its Campaign is one.

README.md shows the beginning of it.
"""

import re
from pathlib import Path

import pytest
import yaml
from tests.chart.rendering import CHART, VALUES, parsed, render, template

from fogbell.model.campaign import CampaignSpec

PAGE = (CHART.parents[1] / "docs" / "kubernetes.md").read_text()
README = (CHART.parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=[b.split(":")[0] for b in BLOCKS])
def test_every_example_of_values_is_taken(block: str, tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(block)
    done = template("--values", VALUES / "minimal.yaml", "--values", file)
    assert done.returncode == 0, done.stderr
    assert parsed(done.stdout).objects


def test_what_the_page_names_is_what_the_chart_makes() -> None:
    rendering = render("dev")
    for kind, name in (
        ("Service", "fogbell-intake"),
        ("Secret", "fogbell-api-key"),
        ("Deployment", "fogbell-mail"),
        ("Deployment", "fogbell-operator"),
        ("CronJob", "fogbell-retry"),
        ("ConfigMap", "fogbell-runner"),
    ):
        assert name in rendering.of(kind)
        assert name in PAGE


@pytest.mark.parametrize("page", [README, PAGE], ids=["README.md", "kubernetes.md"])
def test_the_first_campaign_that_is_shown_fires_each_minute(page: str) -> None:
    (shown,) = re.findall(r"^apiVersion: fogbell.*?(?=^END$)", page, re.DOTALL | re.MULTILINE)
    spec = CampaignSpec.model_validate(yaml.safe_load(shown)["spec"])
    assert spec.schedule == "* * * * *"
    assert not spec.suspend


def test_the_trial_is_told_from_what_is_for_production() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert values["dev"]["enabled"] is False
    for o in render("dev").objects:
        component = o["metadata"]["labels"]["app.kubernetes.io/component"]
        if component in {"mongodb", "rabbitmq"} and o["kind"] in {"StatefulSet", "Service"}:
            assert "not for production" in o["metadata"]["annotations"]["fogbell.dev/warning"]
