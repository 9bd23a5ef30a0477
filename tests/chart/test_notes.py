"""What `helm install` prints: commands that work as they stand, with the names of this release."""

import re
import shutil
from pathlib import Path

import pytest
import yaml
from tests.chart.rendering import CHART, RELEASE, VALUES, helm, values_files

from fogbell.model.campaign import CampaignSpec
from fogbell.model.status import Channel


def notes(folder: Path, *arguments: str) -> str:
    """The notes; helm shows them to a cluster alone, so another template has to hold them."""
    chart = folder / "fogbell"
    shutil.copytree(CHART, chart)
    (chart / "templates" / "NOTES.txt").rename(chart / "notes")
    (chart / "templates" / "notes.yaml").write_text(
        'notes: {{ tpl (.Files.Get "notes") . | toJson }}\n'
    )
    only = "--show-only=templates/notes.yaml"
    done = helm("template", RELEASE, chart, "--namespace=apps", only, *arguments)
    assert done.returncode == 0, done.stderr
    text: str = yaml.safe_load(done.stdout)["notes"]
    return text


@pytest.mark.parametrize("values", values_files())
def test_the_notes_show_a_campaign_that_can_be_applied(values: str, tmp_path: Path) -> None:
    text = notes(tmp_path, f"--values={VALUES / values}.yaml")
    (shown,) = re.findall(r"^apiVersion: .*?(?=^END$)", text, re.DOTALL | re.MULTILINE)
    spec = CampaignSpec.model_validate(yaml.safe_load(shown)["spec"])
    (offered,) = re.findall(r"Channels: ([a-z,]+)\.", text)
    assert {Channel(channel) for channel in offered.split(",")} >= set(spec.channels)


@pytest.mark.parametrize("values", values_files())
def test_every_command_of_the_notes_names_its_namespace(values: str, tmp_path: Path) -> None:
    text = notes(tmp_path, f"--values={VALUES / values}.yaml")
    named = re.findall(r"kubectl (\S+ \S+)", text)
    assert {words for words in named if not words.startswith("explain ")} == {"--namespace apps"}


def test_where_neither_mails_nor_an_inbox_are_offered_the_notes_name_the_samples(
    tmp_path: Path,
) -> None:
    given = f"--values={VALUES / 'minimal.yaml'}", "--set=intake.offeredChannels={webhook}"
    text = notes(tmp_path, *given)
    assert "4. Apply a Campaign in this namespace: k8s/samples has some." in text
    assert "apiVersion" not in text
