"""A Campaign's spec, and which firings are refused."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fogbell.model.campaign import (
    LONGEST_NAME,
    CampaignSpec,
    cronjob_name,
    duration,
    firing,
    refusal,
    untimely,
)
from fogbell.model.content import Content
from fogbell.model.status import Channel

K8S = Path(__file__).parent.parent.parent / "k8s"
NOON = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
MINUTES = st.integers(min_value=0, max_value=99_999_999)


def spec(**changes: Any) -> CampaignSpec:
    document: dict[str, Any] = {
        "schedule": "0 2 * * *",
        "audience": {"groups": ["readers"]},
        "channels": ["email"],
        "template": {"name": "digest"},
        **changes,
    }
    return CampaignSpec.model_validate({k: v for k, v in document.items() if v is not None})


def crd() -> dict[str, Any]:
    document = yaml.safe_load((K8S / "crds" / "campaigns.yaml").read_text())
    schema: dict[str, Any] = document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def test_every_sample_is_a_valid_spec() -> None:
    samples = sorted((K8S / "samples").glob("*.yaml"))
    assert len(samples) >= 3
    for sample in samples:
        CampaignSpec.model_validate(yaml.safe_load(sample.read_text())["spec"])


def test_the_resource_and_the_model_have_the_same_fields() -> None:
    aliases = {f.alias or name for name, f in CampaignSpec.model_fields.items()}
    assert set(crd()["properties"]["spec"]["properties"]) == aliases


def test_the_resource_offers_every_channel() -> None:
    offered = crd()["properties"]["spec"]["properties"]["channels"]["items"]["enum"]
    assert set(offered) == {channel.value for channel in Channel}


def test_the_resource_and_the_interface_have_the_same_content() -> None:
    parts = crd()["properties"]["spec"]["properties"]["content"]["properties"]
    assert parts.keys() == Content.model_fields.keys()
    for channel, part in parts.items():
        annotation = Content.model_fields[channel].annotation
        model = next(kind for kind in get_args(annotation) if kind is not type(None))
        fields = {f.alias or name for name, f in model.model_fields.items()}
        assert {name.replace("replyTo", "reply_to") for name in part["properties"]} == fields


def test_where_answers_go_is_read_from_the_resources_name_for_it() -> None:
    email = {"subject": "s", "text": "t", "replyTo": "ann@example.org"}
    read = spec(template=None, content={"email": email, "sms": {"text": "t"}})
    assert read.content is not None
    assert read.content.email is not None
    assert read.content.email.reply_to == "ann@example.org"
    assert read.content.sms is not None


def test_defaults_of_the_resource_are_those_of_the_model() -> None:
    properties = crd()["properties"]["spec"]["properties"]
    stated = {name: p["default"] for name, p in properties.items() if "default" in p}
    model = spec().model_dump(by_alias=True)
    assert stated == {name: model[name] for name in stated}


def test_everything_in_the_resource_is_described() -> None:
    def bare(node: dict[str, Any], path: str) -> list[str]:
        found = [path] if "description" not in node and path.count(".") else []
        for name, child in node.get("properties", {}).items():
            found += bare(child, f"{path}.{name}")
        return found

    assert bare(crd()["properties"]["spec"], "spec") == []
    assert bare(crd()["properties"]["status"], "status") == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"at": NOON}, "exactly one of 'schedule' and 'at'"),
        ({"schedule": None}, "exactly one of 'schedule' and 'at'"),
        ({"template": None}, "exactly one of 'template' and 'content'"),
        ({"schedule": None, "at": NOON + timedelta(seconds=1)}, "whole minute"),
        ({"schedule": None, "at": NOON.replace(tzinfo=None)}, "timezone"),
        ({"audience": {}}, "either 'all: true' or"),
        ({"audience": {"all": True, "groups": ["g"]}}, "either 'all: true' or"),
        ({"expiresAfter": "0m"}, "pattern"),
        ({"nonsense": 1}, "Extra inputs"),
    ],
)
def test_a_wrong_spec_is_refused_with_what_was_expected(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        spec(**changes)


@given(number=st.integers(1, 999_999), unit=st.sampled_from("smhd"))
def test_a_duration_is_a_whole_number_of_its_unit(number: int, unit: str) -> None:
    seconds = {"s": 1, "m": 60, "h": 3600, "d": 86_400}[unit]
    assert duration(f"{number}{unit}") == timedelta(seconds=number * seconds)


def test_a_cronjobs_name_fits_kubernetes_limit() -> None:
    assert len(cronjob_name("x" * LONGEST_NAME)) <= 52


@given(minutes=MINUTES)
def test_two_jobs_of_one_scheduled_time_are_one_firing(minutes: int) -> None:
    name = f"campaign-x-{minutes:08d}"
    assert firing("campaign-x", name, "uid-1") == firing("campaign-x", name, "uid-2")
    assert firing("campaign-x", name, "uid-1").scheduled_for == datetime.fromtimestamp(
        minutes * 60, UTC
    )


@pytest.mark.parametrize(
    "name",
    ["by-hand", "campaign-x-1", "campaign-y-29000000", "x-29000000", "campaign-x-9999999999"],
)
def test_a_job_of_any_other_name_is_a_firing_of_its_own(name: str) -> None:
    first, again = firing("campaign-x", name, "uid-1"), firing("campaign-x", name, "uid-2")
    assert first.scheduled_for is None
    assert first.key != again.key


def scheduled(time: datetime) -> str:
    return f"campaign-x-{int(time.timestamp()) // 60}"


@pytest.mark.parametrize(
    ("since", "reason"),
    [
        (None, None),
        (NOON - timedelta(seconds=1), None),
        (NOON, None),
        (NOON + timedelta(seconds=1), "BeforeChange"),
    ],
)
def test_a_time_before_the_last_change_is_refused(
    since: datetime | None, reason: str | None
) -> None:
    refused = refusal(spec(), firing("campaign-x", scheduled(NOON), "u"), since)
    assert (refused.reason if refused else None) == reason


def test_a_job_in_the_wrong_year_is_refused() -> None:
    once = spec(schedule=None, at=NOON)
    early = firing("campaign-x", scheduled(NOON.replace(year=2025)), "u")
    refused = refusal(once, early, None)
    assert refused is not None
    assert refused.reason == "NotAt"
    assert "2026-12-01T12:00:00Z" in refused.sentence
    assert refusal(once, firing("campaign-x", scheduled(NOON), "u"), None) is None


def test_a_job_made_by_hand_is_what_somebody_asked_for() -> None:
    assert refusal(spec(), firing("campaign-x", "by-hand", "u"), NOON) is None


PATIENCE = timedelta(minutes=10)


def when_begun(late: timedelta, **changes: Any) -> str | None:
    """The reason why a run for noon must not begin so long after it."""
    fired = firing("campaign-x", scheduled(NOON), "u")
    refused = untimely(spec(**changes), fired, NOON + late, PATIENCE)
    return refused.reason if refused else None


@given(deadline=st.integers(30, 86_400), late=st.timedeltas(timedelta(0), timedelta(days=3)))
def test_a_run_begins_within_its_deadline_and_patience_alone(
    deadline: int, late: timedelta
) -> None:
    missed = when_begun(late, startingDeadlineSeconds=deadline) == "Missed"
    assert missed == (late > timedelta(seconds=deadline) + PATIENCE)


def test_clocks_may_differ_but_a_time_to_come_is_not_due() -> None:
    assert when_begun(-timedelta(seconds=50)) is None
    assert when_begun(-timedelta(minutes=2)) == "NotDue"


def test_a_run_that_has_expired_does_not_begin() -> None:
    assert when_begun(timedelta(minutes=2), expiresAfter="2m") == "Expired"
    assert when_begun(timedelta(minutes=1), expiresAfter="2m") is None


def test_a_run_by_hand_is_never_too_late() -> None:
    years = timedelta(days=1000)
    assert untimely(spec(), firing("campaign-x", "by-hand", "u"), NOON + years, PATIENCE) is None
