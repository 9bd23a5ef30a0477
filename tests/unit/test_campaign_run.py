"""What a run stores, what it leaves behind, and how long it goes on without MongoDB."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.campaigns import CONTENT, NAME, NAMESPACE, UID, job_name, new_run, spec

from fogbell.campaigns import spec_fault, template_fault
from fogbell.identity import run_id
from fogbell.model.content import Template
from fogbell.model.notification import NamedRecipient, OriginType, TemplateRef
from fogbell.model.status import Channel, Lane
from fogbell.telemetry.summary import LONGEST, summary_text
from fogbell_campaign.patience import LASTING, Patience
from fogbell_campaign.summary import Outcome, Summary

NOON = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
LATE = NOON + timedelta(minutes=4)
DIGEST = Template.model_validate({"name": "digest", "version": 3, "locales": {"en": CONTENT}})


# The notification


def test_a_run_is_a_bulk_notification_of_its_campaign() -> None:
    run = new_run(job_name(NOON), data={"issue": 7})
    made = run.notification(None, LATE)
    assert made.id == run_id(UID, run.firing.key)
    assert (made.origin.type, made.origin.app) == (OriginType.CAMPAIGN, f"{NAMESPACE}/{NAME}")
    assert (made.lane, made.reference, made.created_at) == (Lane.BULK, None, LATE)
    assert made.metadata == {
        "campaign": NAME,
        "namespace": NAMESPACE,
        "uid": UID,
        "scheduled_for": "2026-12-01T12:00:00Z",
    }
    assert made.audience.everyone
    assert made.data == {"issue": 7}


def test_a_run_by_hand_has_no_scheduled_time_to_tell() -> None:
    made = new_run("by-hand").notification(None, LATE)
    assert "scheduled_for" not in made.metadata


def test_a_run_is_pinned_to_the_template_that_was_read() -> None:
    run = new_run(job_name(NOON), content=None, template={"name": "digest"})
    assert run.notification(DIGEST, LATE).template == TemplateRef("digest", 3)


def test_an_audience_names_everybody_once() -> None:
    asked = {"groups": ["a", "b", "a"], "recipients": ["ann", "ann"], "match": {"plan": "pro"}}
    audience = new_run(audience=asked, channels=["email", "email"]).notification(None, LATE)
    assert audience.channels == (Channel.EMAIL,)
    assert audience.audience.groups == ("a", "b")
    assert audience.audience.recipients == (NamedRecipient("ann"),)
    assert audience.audience.match == {"plan": "pro"}
    assert not audience.audience.everyone


@given(late=st.timedeltas(timedelta(0), timedelta(days=1)), hours=st.integers(1, 99))
def test_a_late_start_makes_nothing_last_longer(late: timedelta, hours: int) -> None:
    run = new_run(job_name(NOON), expiresAfter=f"{hours}h", throttle={"perSecond": 9})
    made = run.notification(None, NOON + late)
    assert made.expires_at == NOON + timedelta(hours=hours)
    assert made.throttle_per_second == 9


def test_a_run_by_hand_expires_from_when_it_begins() -> None:
    made = new_run("by-hand", expiresAfter="90m").notification(None, LATE)
    assert made.expires_at == LATE + timedelta(minutes=90)


@given(st.text(), st.text(min_size=1))
def test_pods_of_one_scheduled_time_make_one_run_and_those_of_jobs_by_hand_their_own(
    first: str, second: str
) -> None:
    scheduled = {new_run(job_name(NOON), uid).id for uid in (first, second)}
    assert len(scheduled) == 1
    assert len(scheduled | {new_run("by-hand", uid).id for uid in (first, second)}) == 1 + len(
        {first, second}
    )


# What is wrong with a Campaign


@pytest.mark.parametrize(
    ("changes", "reason", "said"),
    [
        ({}, None, ""),
        ({"channels": ["email", "sms"]}, "MissingChannel", "'sms'"),
        (
            {"content": {"sms": {"text": "{{ x"}}, "channels": ["sms"]},
            "TemplateSyntax",
            ".sms.text",
        ),
        (
            {"content": {"email": {**CONTENT["email"], "from": "nobody"}}},
            "InvalidSpec",
            "spec.content.email.from: expected an e-mail address such as ann@example.org.",
        ),
        (
            {"audience": {"match": {"plan": {"im": ["pro"]}}}},
            "InvalidMatch",
            "match.plan: there is no operator 'im'; there are eq, ne, in, gt",
        ),
        (
            {"audience": {"match": {"plan": {"in": "pro"}}}},
            "InvalidMatch",
            "match.plan: expected for each of at most 20 attributes",
        ),
        ({"audience": {"match": {"plan": {"in": ["pro"]}}}}, None, ""),
    ],
)
def test_a_fault_of_the_spec_says_where(
    changes: dict[str, Any], reason: str | None, said: str
) -> None:
    fault = spec_fault(spec(**changes))
    assert (fault.reason if fault else None) == reason
    assert said in (fault.sentence if fault else "")


@pytest.mark.parametrize(
    ("channels", "template", "reason"),
    [
        (["email"], DIGEST, None),
        (["email"], None, "UnknownTemplate"),
        (["email", "sms"], DIGEST, "MissingChannel"),
    ],
)
def test_a_fault_of_the_template_is_named(
    channels: list[str], template: Template | None, reason: str | None
) -> None:
    named = spec(content=None, template={"name": "digest"}, channels=channels)
    fault = template_fault(named, template)
    assert (fault.reason if fault else None) == reason
    assert template_fault(spec(), None) is None, "it names no template"


# The summary


def test_a_summary_says_all_that_the_operator_reads() -> None:
    summary = Summary(Outcome.EXPANDED, "Done.", notification=new_run().id, inserted=3)
    fields = json.loads(summary_text(summary.fields()))
    assert fields == {
        "outcome": "expanded",
        "notification": str(new_run().id),
        "inserted": 3,
        "reason": None,
        "message": "Done.",
    }


@given(st.text(max_size=50), st.integers(1, 2000))
def test_a_summary_is_json_that_kubernetes_takes_whole(words: str, times: int) -> None:
    summary = Summary(Outcome.FAILED, words * times, "Error")
    text = summary_text(summary.fields())
    assert len(text.encode()) <= LONGEST
    read = json.loads(text)
    assert read["reason"] == "Error"
    assert (words * times).startswith(read["message"].removesuffix("…"))


# Patience


@given(span=st.floats(1, 3600), attempt=st.floats(0, LASTING))
def test_failures_in_a_row_are_borne_for_so_long_and_no_longer(span: float, attempt: float) -> None:
    patience, at = Patience(timedelta(seconds=span)), 0.0
    while not patience.ends(at, at + attempt):
        assert at + attempt <= span + 1e-3
        at += attempt + 1
    assert at + attempt >= span - 1e-3


def test_an_attempt_that_worked_for_a_while_begins_patience_anew() -> None:
    patience = Patience(timedelta(seconds=100))
    assert not patience.ends(0, 99)
    assert not patience.ends(99, 99 + LASTING + 1), "away since its end"
    assert not patience.ends(200, 258)
    assert patience.ends(258, 260.5)
