"""What the operator tells the runner is read whole, or refused with a sentence and a summary."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.support.campaigns import environment, new_run, spec, written

from fogbell.settings import JOB_EXIT, load
from fogbell_campaign.settings import CampaignSettings

SPEC = "FOGBELL_CAMPAIGN__SPEC"
SERVERS = {"FOGBELL_MONGODB_URI": "mongodb://h/", "FOGBELL_RABBITMQ_URI": "amqp://h/"}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (environment(new_run()) | SERVERS).items():
        monkeypatch.setenv(name, value)


def test_a_spec_is_read_as_it_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = written(
        audience={"match": {"Plan": {"in": ["pro"]}}},
        data={"Title": "Fog", "nested": {"camelCase": [1, None]}},
        expiresAfter="12h",
        throttle={"perSecond": 50},
    )
    monkeypatch.setenv(SPEC, json.dumps(asked))
    monkeypatch.setenv("FOGBELL_CAMPAIGN__EFFECTIVE_SINCE", "2026-12-01T12:00:00Z")
    settings = load(CampaignSettings, job=True)
    assert settings.campaign.spec == spec(**asked)
    assert settings.campaign.spec.data["Title"] == "Fog"
    assert settings.campaign.effective_since == datetime(2026, 12, 1, 12, tzinfo=UTC)
    assert settings.run.patience_seconds == 600


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "Invalid JSON"),
        (json.dumps(written(startingDeadlineSeconds=1)), "startingDeadlineSeconds: Input should"),
        (json.dumps(written(content=None)), "exactly one of 'template' and 'content'"),
        (json.dumps(written(nonsense="s3cr3t")), "nonsense: Extra inputs are not permitted"),
    ],
)
def test_a_wrong_spec_is_told_on_standard_error_and_in_the_summary(
    text: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    log = tmp_path / "termination-log"
    log.touch()
    monkeypatch.setenv("FOGBELL_TERMINATION_LOG", str(log))
    monkeypatch.setenv(SPEC, text)
    with pytest.raises(SystemExit) as caught:
        load(CampaignSettings, job=True)
    assert caught.value.code == JOB_EXIT == 42
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith(f"fogbell: {SPEC} is wrong: ")
    assert said in told
    summary: dict[str, Any] = json.loads(log.read_text())
    assert (summary["outcome"], summary["reason"]) == ("failed", "WrongSettings")
    assert said in summary["message"]
    assert "s3cr3t" not in told + summary["message"]


@pytest.mark.parametrize("name", ["NAME", "NAMESPACE", "UID", "JOB_NAME", "CONTROLLER_UID"])
def test_a_run_without_an_identity_does_not_start(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(f"FOGBELL_CAMPAIGN__{name}", "")
    with pytest.raises(SystemExit):
        load(CampaignSettings, job=True)
    assert f"FOGBELL_CAMPAIGN__{name} is wrong" in capsys.readouterr().err
