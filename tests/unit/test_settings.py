"""Settings come from the environment alone, and what is wrong with them is told in sentences."""

import pytest
from pydantic import Field, ValidationError

from fogbell.settings import Group, Settings, load
from fogbell_operator.settings import OperatorComponentSettings

MONGODB = "mongodb://user:s3cr3t@localhost/?replicaSet=rs0"
RABBITMQ = "amqp://user:s3cr3t@localhost/"


class ExtraGroup(Group):
    names: list[str] = Field(default_factory=list)
    size: int = Field(default=1, ge=1)


class Component(Settings):
    extra: ExtraGroup = ExtraGroup()
    job_name: str | None = None


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOGBELL_MONGODB_URI", MONGODB)
    monkeypatch.setenv("FOGBELL_RABBITMQ_URI", RABBITMQ)


def refused(capsys: pytest.CaptureFixture[str], *, job: bool = False, code: int = 2) -> list[str]:
    with pytest.raises(SystemExit) as caught:
        load(Component, job=job)
    assert caught.value.code == code
    return capsys.readouterr().err.splitlines()


def test_two_addresses_are_enough() -> None:
    settings = load(Component)
    assert settings.mongodb.uri.get_secret_value() == MONGODB
    assert settings.rabbitmq.uri.get_secret_value() == RABBITMQ
    assert settings.mongodb.database == "fogbell"


def test_the_long_form_of_an_address_comes_before_the_short_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FOGBELL_MONGODB__URI", "mongodb://other/")
    monkeypatch.setenv("FOGBELL_MONGODB__DATABASE", "bells")
    settings = load(Component)
    assert settings.mongodb.uri.get_secret_value() == "mongodb://other/"
    assert settings.mongodb.database == "bells"


def test_groups_are_read_from_nested_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOGBELL_PROTOCOL__LEASE_SECONDS", "5.5")
    monkeypatch.setenv("FOGBELL_EXTRA__NAMES", '["a", "b"]')
    settings = load(Component)
    assert settings.protocol.lease_seconds == 5.5
    assert settings.protocol.grace_seconds == 30
    assert settings.extra.names == ["a", "b"]


def test_settings_never_change_once_read() -> None:
    settings = load(Component)
    with pytest.raises(ValidationError):
        settings.protocol.lease_seconds = 1  # type: ignore[misc] # that is the test
    with pytest.raises(ValidationError):
        settings.job_name = "x"  # type: ignore[misc] # that is the test


def test_secrets_are_not_in_what_a_log_would_show() -> None:
    settings = load(Component)
    assert "s3cr3t" not in f"{settings!r} {settings} {settings.mongodb!r}"


def test_every_wrong_setting_is_named_with_what_was_expected_and_what_came(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FOGBELL_MONGODB_URI")
    monkeypatch.setenv("FOGBELL_PROTOCOL__LEASE_SECONDS", "-1")
    monkeypatch.setenv("FOGBELL_LOG__LEVEL", "loud")
    monkeypatch.setenv("FOGBELL_EXTRA__SIZE", "many")
    told = "\n".join(refused(capsys))
    assert "FOGBELL_MONGODB_URI is not set" in told
    assert "FOGBELL_PROTOCOL__LEASE_SECONDS is wrong: Input should be greater than 0" in told
    assert "not '-1'" in told
    assert "'debug', 'info', 'warning' or 'error', not 'loud'" in told
    assert "FOGBELL_EXTRA__SIZE is wrong" in told


def test_the_value_of_a_wrong_text_is_never_repeated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FOGBELL_MONGODB__DATABASE", "p@ssw0rd!")
    monkeypatch.setenv("FOGBELL_EXTRA__NAMES", '["p@ssw0rd!", 1]')
    assert "p@ssw0rd" not in "\n".join(refused(capsys))


@pytest.mark.parametrize("name", ["FOGBELL_EXTRA__NAMES", "FOGBELL_MONGODB"])
def test_what_is_no_json_is_told_and_no_traceback(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, "p@ssw0rd!")
    (told,) = refused(capsys)
    assert name.split("__")[0] in told
    assert "p@ssw0rd" not in told


def test_a_job_ends_with_the_code_that_its_failure_policy_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FOGBELL_PROTOCOL__LEASE_SECONDS", "0")
    refused(capsys, job=True, code=42)


def test_a_slip_within_a_group_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FOGBELL_PROTOCOL__LEASE_SECOND", "5")
    (told,) = refused(capsys)
    assert "FOGBELL_PROTOCOL__LEASE_SECOND is no setting" in told


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("FOGBELL_LEASE_SECOND", "FOGBELL_PROTOCOL__LEASE_SECONDS"),
        ("FOGBELL_MONGODB_DATABASE", "FOGBELL_MONGODB__DATABASE"),
        ("FOGBELL_PROTOCL__LEASE_SECONDS", "FOGBELL_PROTOCOL__LEASE_SECONDS"),
        ("FOGBELL_JOBNAME", "FOGBELL_JOB_NAME"),
    ],
)
def test_a_slip_that_nothing_would_read_is_told(
    slip: str, meant: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(slip, "5")
    load(Component)
    assert capsys.readouterr().err == (
        f"fogbell: {slip} is no setting of this component. Did you mean {meant}?\n"
    )


def test_settings_of_other_components_are_let_be(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("FOGBELL_SWEEP__INTERVAL_SECONDS", "FOGBELL_EMAIL__URL", "FOGBELL_CHANNELS"):
        monkeypatch.setenv(name, "5")
    load(Component)
    assert capsys.readouterr().err == ""


def test_the_retry_and_retention_groups_describe_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOGBELL_RETRY__ATTEMPTS", "3")
    monkeypatch.setenv("FOGBELL_RETENTION__DELIVERIES_DAYS", "1.5")
    settings = load(Component)
    assert settings.retry.policy().attempts == 3
    assert settings.retry.policy().max_age == 72 * 3600
    assert settings.retention.retention().deliveries.total_seconds() == 1.5 * 86_400


def test_what_makes_no_spans_is_told_nothing_by_the_variables_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Spanless(Component):
        makes_spans = False

    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkin")
    assert load(Spanless).mongodb.database == "fogbell"
    assert not OperatorComponentSettings.makes_spans


def test_an_exporter_of_traces_that_is_not_offered_is_refused_with_the_settings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkin")
    assert refused(capsys, job=True, code=42) == [
        "fogbell: OTEL_TRACES_EXPORTER is wrong: expected 'otlp' or 'none', not 'zipkin'."
    ]
