"""The CronJob that a Campaign becomes, and since when its times count."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.campaigns import CONTENT
from tests.support.operator import NOW, POD, UID, campaign, spec_of

from fogbell.model.campaign import Refusal
from fogbell.model.status import Channel
from fogbell.settings import JOB_EXIT
from fogbell_operator import resources
from fogbell_operator.checking import LARGEST, check, foreign
from fogbell_operator.cronjobs import build_cronjob, effective_since, encoded_spec, timing
from fogbell_operator.pod_template import TemplateError, read_template
from fogbell_operator.resources import CronJob, Timing

LATER = NOW + timedelta(hours=1)


def built(
    live: CronJob | None = None,
    now: datetime = NOW,
    *,
    over: bool = False,
    template: dict[str, Any] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """What is applied for a Campaign whose spec has ``changes``."""
    found = campaign(**changes)
    return build_cronjob(
        found,
        spec_of(found),
        template or POD,
        live,
        now,
        over=over,
        cluster="here",
        active_deadline_seconds=600,
    )


def standing(document: dict[str, Any]) -> CronJob:
    """The CronJob once it has been applied."""
    return resources.cronjob(document)


def environment(document: dict[str, Any]) -> dict[str, Any]:
    pod = document["spec"]["jobTemplate"]["spec"]["template"]
    return {v["name"]: v.get("value") for v in pod["spec"]["containers"][0]["env"]}


def test_a_schedule_keeps_its_line_and_its_zone() -> None:
    spec = built(schedule="0 9 * * 1-5", timeZone="Europe/Amsterdam")["spec"]
    assert (spec["schedule"], spec["timeZone"]) == ("0 9 * * 1-5", "Europe/Amsterdam")


def test_without_a_zone_it_is_utc_and_not_that_of_the_controllers_machine() -> None:
    assert built()["spec"]["timeZone"] == "Etc/UTC"


def test_a_time_becomes_a_line_in_utc() -> None:
    spec = built(schedule=None, at="2026-12-24T00:30:00+01:00")["spec"]
    assert (spec["schedule"], spec["timeZone"]) == ("30 23 23 12 *", "Etc/UTC")
    assert spec["suspend"] is False


def test_a_campaign_that_is_over_is_suspended() -> None:
    assert built(over=True, schedule=None, at="2026-12-24T00:30:00Z")["spec"]["suspend"] is True


def test_two_runs_are_never_at_work_together_and_a_deadline_is_always_set() -> None:
    spec = built()["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["startingDeadlineSeconds"] == 300
    assert (spec["successfulJobsHistoryLimit"], spec["failedJobsHistoryLimit"]) == (3, 3)


def test_wrong_settings_fail_the_job_at_once_and_disruptions_are_not_counted() -> None:
    job = built()["spec"]["jobTemplate"]["spec"]
    assert (job["backoffLimit"], job["activeDeadlineSeconds"]) == (6, 600)
    disrupted, wrong = job["podFailurePolicy"]["rules"]
    assert disrupted["action"] == "Ignore"
    assert wrong == {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [JOB_EXIT]}}
    assert job["template"]["spec"]["restartPolicy"] == "Never"


def test_it_goes_with_its_campaign() -> None:
    (owner,) = built()["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("Campaign", UID, True)
    # It would take the right to change the owner's finalizers.
    assert "blockOwnerDeletion" not in owner


def test_job_and_pod_can_be_found_by_their_campaign() -> None:
    job = built()["spec"]["jobTemplate"]
    for labels in (job["metadata"]["labels"], job["spec"]["template"]["metadata"]["labels"]):
        assert labels["fogbell.dev/campaign-uid"] == UID
        assert labels["app.kubernetes.io/managed-by"] == "fogbell-operator"


def test_the_runner_is_told_which_run_it_is() -> None:
    document = built()
    told = environment(document)
    assert json.loads(told["FOGBELL_CAMPAIGN__SPEC"]) == campaign().spec
    assert (told["FOGBELL_CAMPAIGN__NAME"], told["FOGBELL_CAMPAIGN__UID"]) == ("nightly", UID)
    since = document["metadata"]["annotations"]["fogbell.dev/effective-since"]
    assert told["FOGBELL_CAMPAIGN__EFFECTIVE_SINCE"] == since
    assert told["FOGBELL_CAMPAIGN__CLUSTER"] == "here"
    assert {"FOGBELL_CAMPAIGN__JOB_NAME", "FOGBELL_CAMPAIGN__CONTROLLER_UID"} <= told.keys()


def test_what_the_installation_wants_of_the_pod_stays() -> None:
    pod = built()["spec"]["jobTemplate"]["spec"]["template"]
    assert pod["metadata"]["labels"]["team"] == "shop"
    assert pod["spec"]["containers"][0]["image"] == "runner:1"
    assert environment(built())["FOGBELL_LOG__LEVEL"] == "info"


def test_a_variable_never_stands_twice() -> None:
    template = {"spec": {"containers": [{**POD["spec"]["containers"][0]}]}}
    template["spec"]["containers"][0]["env"] = [{"name": "FOGBELL_CAMPAIGN__NAME", "value": "x"}]
    env = built(template=template)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    names = [variable["name"] for variable in env["containers"][0]["env"]]
    assert len(names) == len(set(names))


def test_the_installations_template_is_not_changed_by_building() -> None:
    before = json.dumps(POD)
    built()
    assert json.dumps(POD) == before


@given(text=st.text(max_size=50))
def test_no_text_of_a_campaign_is_taken_for_another_variables_name(text: str) -> None:
    spec = {"data": {"note": text + "$(FOGBELL_MONGODB_URI)"}}
    assert "$" not in encoded_spec(spec)
    assert json.loads(encoded_spec(spec)) == spec


SCHEDULES = st.sampled_from(["0 2 * * *", "*/5 * * * *", "0 9 * * 1-5"])
ZONES = st.sampled_from([None, "Etc/UTC", "Europe/Amsterdam"])
FIRES = st.fixed_dictionaries(
    {
        "schedule": SCHEDULES,
        "timeZone": ZONES,
        "suspend": st.booleans(),
        "startingDeadlineSeconds": st.sampled_from([60, 300]),
    }
)
SAYS = st.fixed_dictionaries(
    {
        "successfulRunsHistoryLimit": st.integers(1, 5),
        "data": st.dictionaries(st.sampled_from("ab"), st.integers()),
        "channels": st.sampled_from([["email"], ["email", "inbox"]]),
        "expiresAfter": st.sampled_from([None, "3h"]),
    }
)


@given(before=FIRES, after=FIRES, said=SAYS, says=SAYS, over=st.booleans())
def test_its_times_count_anew_whenever_what_fires_it_has_changed_and_only_then(
    before: dict[str, Any], after: dict[str, Any], said: Any, says: Any, *, over: bool
) -> None:
    first = built(**before, **said)
    live = standing(first)
    second = built(live, LATER, over=over, **after, **says)
    moved = timing(spec_of(campaign(**after)), over=over) != live.timing
    since = standing(second).effective_since
    assert since == (LATER if moved else NOW)
    assert environment(second)["FOGBELL_CAMPAIGN__EFFECTIVE_SINCE"].startswith(
        "2026-12-01T13" if moved else "2026-12-01T12"
    )


@given(fires=FIRES, says=SAYS)
def test_building_again_from_what_stands_changes_nothing(fires: Any, says: Any) -> None:
    first = built(**fires, **says)
    assert built(standing(first), LATER, **fires, **says) == first


@pytest.mark.parametrize(
    "stands",
    [
        {"schedule": "1 1 1 1 *"},
        {"timeZone": "Asia/Tokyo"},
        {"suspend": True},
        {"startingDeadlineSeconds": 9},
        {"startingDeadlineSeconds": None},
    ],
)
def test_somebody_elses_change_of_the_cronjob_counts_too(stands: dict[str, Any]) -> None:
    document = built()
    document["spec"] |= stands
    assert standing(built(standing(document), LATER)).effective_since == LATER


@pytest.mark.parametrize("kept", [None, "yesterday", "2026-12-01T12:00:00"])
def test_a_time_that_is_lost_is_now(kept: str | None) -> None:
    document = built()
    document["metadata"]["annotations"] = {"fogbell.dev/effective-since": kept}
    live = standing(document)
    assert effective_since(live, live.timing, LATER) == LATER


def test_a_cronjob_of_somebody_else_is_let_be() -> None:
    nobody = CronJob("campaign-nightly", None, Timing("", None, None, suspend=False), None)
    fault = foreign(campaign(), nobody)
    assert fault is not None
    assert fault.reason == "CronJobTaken"
    assert foreign(campaign(), standing(built())) is None
    assert foreign(campaign(), None) is None


def refused(**changes: Any) -> tuple[str, str]:
    fault = check(campaign(**changes))
    assert not hasattr(fault, "channels"), "it was taken"
    return fault.reason, fault.sentence


def test_a_spec_that_no_container_would_start_with_is_too_large() -> None:
    reason, sentence = refused(data={"blob": "x" * LARGEST})
    assert reason == "TooLarge"
    assert "65536" in sentence


def test_a_wrong_spec_says_where_and_not_what_stands_there() -> None:
    reason, sentence = refused(audience={"recipients": ["ann@example.org!"]}, expiresAfter="soon")
    assert reason == "InvalidSpec"
    assert "spec.audience.recipients.0: " in sentence
    assert "spec.expiresAfter: " in sentence
    assert "ann@" not in sentence


def test_a_wrong_spec_says_what_was_expected_and_nothing_of_how_it_was_found_out() -> None:
    email = {"subject": "s", "text": "t", "headers": {"Bcc": "x"}}
    sentence = refused(content={"email": email})[1]
    assert sentence.startswith("spec.content.email.headers: header 'Bcc' cannot be set; allowed")


def test_a_channel_that_nobody_serves_is_refused_with_those_that_are() -> None:
    sms = campaign(channels=["email", "sms"], content={**CONTENT, "sms": {"text": "Fog"}})
    offered = frozenset({Channel.WEBHOOK, Channel.EMAIL, Channel.INBOX})
    fault = check(sms, offered)
    assert fault == Refusal(
        "ChannelNotOffered",
        "spec.channels: this installation does not offer 'sms'; it offers email, inbox, webhook."
        " Add it to a pool of worker.pools, or take it out.",
    )
    assert check(sms, offered | {Channel.SMS}) == spec_of(sms)
    assert check(sms) == spec_of(sms), "where nobody has said what is offered"


def test_a_text_that_is_no_liquid_is_named() -> None:
    reason, sentence = refused(content={"email": {"subject": "Hi {{", "text": "t"}})
    assert reason == "TemplateSyntax"
    assert "spec.content.email.subject" in sentence


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        ("{", "no YAML"),
        ("spec: {containers: []}", "expected a PodTemplateSpec"),
        ("spec: {containers: [{name: c}]}", "expected a PodTemplateSpec"),
        ("{kind: Pod, spec: {containers: [{name: c, image: i}]}}", "expected a PodTemplateSpec"),
    ],
)
def test_a_pod_template_that_is_none_is_told_with_what_was_expected(
    tmp_path: Path, text: str | None, said: str
) -> None:
    path = tmp_path / "runner.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(TemplateError, match=said):
        read_template(path)


def test_a_pod_template_may_do_without_metadata(tmp_path: Path) -> None:
    path = tmp_path / "runner.yaml"
    path.write_text("spec: {containers: [{name: c, image: i}]}")
    assert built(template=dict(read_template(path)))["kind"] == "CronJob"
