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


REFUSED: list[tuple[str, str]] = [
    *((f"settings.{name}", name) for name in (
        "FOGBELL_MONGODB_URI", "FOGBELL_RABBITMQ_URI", "FOGBELL_EMAIL__URL",
        "FOGBELL_SMS__AUTH_TOKEN", "FOGBELL_CHANNELS", "FOGBELL_LANES", "FOGBELL_EXPAND",
        "FOGBELL_OFFERED_CHANNELS", "FOGBELL_MONGODB__DATABASE", "FOGBELL_RABBITMQ__PREFIX",
        "FOGBELL_EMAIL__FROM_ADDRESS", "FOGBELL_INBOX__CORS_ORIGINS", "FOGBELL_BULK__SLOTS",
    )),
    ("worker.replicas", "replicas"),
    ("image.registry", "image.registry"),
    ("image.tag", "image.tag"),
    ("worker.pools.Main", "worker.pools"),
    ("mongodb.uri", "mongodb.uri"),
    ("rabbitmq.uri", "rabbitmq.uri"),
    ("email.url", "email.url"),
]  # fmt: skip
"""What is set, to a number or to a text with a slash at its end, and what helm names then."""


@pytest.mark.parametrize(("value", "named"), REFUSED)
def test_what_the_page_says_of_refusals_is_refused(value: str, named: str) -> None:
    given = "1.1" if value == "image.tag" else '"x/"'
    done = template("--values", VALUES / "minimal.yaml", f"--set-json={value}={given}")
    assert named in done.stderr
    table = PAGE.partition("### What a refusal means")[2].partition("\n## ")[0]
    assert f"`{named}`" in table


def test_a_table_of_refusals_sends_to_values_that_are_taken() -> None:
    values = {
        "worker.pools.main.replicas": "3",
        "worker.pools.bulk.channels": '["webhook"]',
        "intake.settings.FOGBELL_INBOX__CORS_ORIGINS": '["https://app.example.org"]',
        "worker.settings.FOGBELL_BULK__SLOTS": "4",
        "image.registry": '"registry.example.org/messaging"',
        "image.tag": '"1.10"',
        "mongodb.database": '"other"',
        "intake.offeredChannels": '["inbox"]',
    }
    flags = [f"--set-json={name}={value}" for name, value in values.items()]
    done = template("--values", VALUES / "minimal.yaml", *flags)
    assert done.returncode == 0, done.stderr


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
