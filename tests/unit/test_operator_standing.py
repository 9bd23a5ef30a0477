"""What the operator says of a Campaign: conditions, endings and times."""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.support.operator import NOW, UID, campaign, job, pod, record, run, spec_of

from fogbell.identity import run_id
from fogbell.model.campaign import Refusal
from fogbell_operator import conditions, endings, runs, schedules
from fogbell_operator.checking import apply_fault
from fogbell_operator.conditions import Condition
from fogbell_operator.errors import ForbiddenError, RefusedError
from fogbell_operator.resources import Job, JobState
from fogbell_operator.runs import History, Summary

AT = "2026-12-01T12:00:00Z"
DEADLINE = timedelta(seconds=300)
RUN = run_id(UID, f"scheduled:{NOW.isoformat()}")
BEFORE = NOW - timedelta(days=1)


# Which run is the last


def test_the_run_of_a_time_has_the_id_that_the_runner_gives_it() -> None:
    assert runs.run_at(campaign(), NOW) == RUN
    assert runs.job_run(campaign(), job()) == RUN


def test_the_newest_run_is_the_last_even_where_its_job_is_gone() -> None:
    known = campaign(status={"lastRun": {"id": str(UUID(int=7))}})
    assert runs.candidates(known, [job()], None) == {RUN, UUID(int=7)}
    newer = record(UUID(int=7), NOW + timedelta(hours=1))
    assert runs.last_record({RUN: record(RUN), newer.id: newer}) == newer


def test_a_job_waits_until_its_notification_is_there() -> None:
    found = campaign()
    assert runs.waiting_job(found, [job()], {}) == job()
    assert runs.waiting_job(found, [job()], {RUN: record(RUN)}) is None
    manual = record(UUID(int=7), NOW + timedelta(seconds=5))
    assert runs.waiting_job(found, [job()], {manual.id: manual}) is None


def test_a_campaign_that_runs_once_waits_for_no_job_of_another_year() -> None:
    last_year = job(NOW.replace(year=2025), uid="other")
    assert runs.started_at(campaign(), [last_year], NOW) is None
    assert runs.started_at(campaign(), [last_year, job()], NOW) == job()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            json.dumps({"outcome": "refused", "reason": "NotAt", "message": "No."}),
            Summary("refused", "NotAt", "No."),
        ),
        ("Killed", Summary(message="Killed")),
        ("[1]", Summary(message="[1]")),
        ('{"outcome": 1}', Summary()),
    ],
)
def test_a_summary_is_the_runners_or_the_end_of_its_log(text: str, expected: Summary) -> None:
    assert runs.summary([pod(text)], job()) == expected


def test_the_newest_pod_of_this_very_job_tells() -> None:
    pods = [pod("old"), pod("new", late=9), pod("other", late=99, job_uid="job-2")]
    assert runs.summary(pods, job()).message == "new"
    held = [pod(), pod(waiting="ErrImagePull: no such image", late=1)]
    assert runs.summary(held, job()).message == "ErrImagePull: no such image"


def test_a_long_log_is_cut_at_its_beginning() -> None:
    message = runs.read_summary("x" * 5_000 + "end").message
    assert len(message) == runs.LONGEST_MESSAGE
    assert message.endswith("end")


# LastRunSucceeded


def said(
    history: History | None, summary: Summary | None = None, before: Condition | None = None
) -> tuple[str, str]:
    condition = conditions.last_run(history, summary or Summary(), before)
    return condition.status, condition.reason


SETTLED = {"expanded_at": NOW, "settled_at": NOW}


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        (History(), ("Unknown", "NoRun")),
        (History(waiting=job()), ("Unknown", "Starting")),
        (History(waiting=job(state=JobState.FAILED)), ("False", "JobFailed")),
        (
            History(waiting=job(state=JobState.FAILED, reason="DeadlineExceeded")),
            ("False", "DeadlineExceeded"),
        ),
        (History(run(record(RUN), pending=3)), ("Unknown", "Running")),
        (History(run(record(RUN, reason="expansion_failed"))), ("False", "ExpansionFailed")),
        (History(run(record(RUN, cancelled_at=NOW), pending=3)), ("False", "Cancelled")),
        (History(run(record(RUN, **SETTLED), delivered=3)), ("True", "Settled")),
        (History(run(record(RUN, **SETTLED))), ("True", "Settled")),
        (History(run(record(RUN, **SETTLED), delivered=9, dead=1)), ("True", "SettledWithDead")),
        (History(run(record(RUN, **SETTLED), dead=1)), ("False", "NothingDelivered")),
        (History(run(record(RUN, expected=0, **SETTLED))), ("True", "NobodyMeant")),
        (History(run(record(RUN, expected=0))), ("Unknown", "Running")),
        (History(run(record(RUN, expected=2, **SETTLED), skipped=2)), ("True", "Settled")),
        (None, ("Unknown", "MongoDBUnavailable")),
    ],
)
def test_how_the_last_run_went(history: History | None, expected: tuple[str, str]) -> None:
    assert said(history) == expected


def test_a_run_without_anybody_says_where_to_look() -> None:
    condition = conditions.last_run(
        History(run(record(RUN, expected=0, **SETTLED))), Summary(), None
    )
    assert condition.message == (
        f"Run {RUN} had no delivery."
        " Nobody in the directory matches spec.audience: see GET /v1/recipients."
    )


def test_a_run_that_delivered_nothing_says_where_the_reasons_are() -> None:
    history = History(run(record(RUN, expected=1, **SETTLED), dead=1))
    message = conditions.last_run(history, Summary(), None).message
    assert message.endswith(f"say why: GET /v1/notifications/{RUN}/deliveries?status=dead.")


def test_a_failed_jobs_own_summary_says_why() -> None:
    failed = History(run(record(RUN, **SETTLED), delivered=3), job(state=JobState.FAILED))
    summary = Summary("failed", "UnknownTemplate", "There is no template 'digest'.")
    condition = conditions.last_run(failed, summary, None)
    assert (condition.status, condition.reason) == ("False", "UnknownTemplate")
    assert "There is no template 'digest'." in condition.message


def test_a_refused_firing_is_no_failure() -> None:
    done = History(waiting=job(state=JobState.COMPLETE))
    assert said(done, Summary("refused", "BeforeChange", "Too late.")) == ("True", "Refused")


def test_what_was_known_of_the_last_run_stands_while_nothing_newer_is_known() -> None:
    before = Condition(conditions.LAST_RUN, "True", "Settled", "3 delivered.")
    # MongoDB away; a run whose retention is over; a job whose notification's is.
    for history in (None, History(), History(waiting=job(state=JobState.COMPLETE))):
        assert said(history, before=before) == ("True", "Settled")


SHUT_OUT = conditions.shut_out("MongoDB does not take the password.")


def test_why_nobody_can_tell_is_said_as_it_is_now_and_no_longer_than_it_is_so() -> None:
    away, refused = (
        conditions.last_run(None, Summary(), None, untold) for untold in (conditions.AWAY, SHUT_OUT)
    )
    assert (refused.status, refused.reason) == ("Unknown", "MongoDBRefused")
    assert "does not take the password" in refused.message
    assert conditions.last_run(None, Summary(), away, SHUT_OUT) == refused
    assert conditions.last_run(None, Summary(), refused) == away
    for before in (away, refused):
        assert said(History(), before=before) == ("Unknown", "NoRun")


# Ready


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("True", "Scheduled")),
        ({"suspended": True}, ("True", "Suspended")),
        ({"never": True}, ("False", "NeverFires")),
        ({"template": Refusal("UnknownTemplate", "No.")}, ("False", "UnknownTemplate")),
        ({"template": conditions.AWAY}, ("Unknown", "MongoDBUnavailable")),
        ({"template": conditions.shut_out("No.")}, ("Unknown", "MongoDBRefused")),
        ({"fault": Refusal("InvalidSpec", "No."), "never": True}, ("False", "InvalidSpec")),
        ({"ending": conditions.Ending("Missed", "No.")}, ("False", "Missed")),
        ({"ending": conditions.Ending("Ran", "Done.")}, ("True", "Ran")),
    ],
)
def test_whether_its_runs_will_start(changes: dict[str, Any], expected: tuple[str, str]) -> None:
    asked: dict[str, Any] = {
        "fault": None, "template": None, "ending": None, "suspended": False, "never": False,
    }  # fmt: skip
    condition = conditions.ready(**(asked | changes))
    assert (condition.status, condition.reason) == expected


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ForbiddenError("no"), "Forbidden"),
        (RefusedError("no", frozenset({"spec.schedule"})), "InvalidSchedule"),
        (RefusedError("no", frozenset({"spec.timeZone"})), "UnknownTimeZone"),
        (RefusedError("no", frozenset({"spec.jobTemplate.spec"})), "CronJobRefused"),
    ],
)
def test_what_kubernetes_says_becomes_a_reason(error: Any, reason: str) -> None:
    assert apply_fault(error).reason == reason


# Campaigns that run once


def ended(
    now: datetime,
    jobs: list[Job] | None = None,
    *,
    run_record: Any = None,
    since: datetime = BEFORE,
    known: bool = True,
    status: dict[str, Any] | None = None,
    **changes: Any,
) -> str | None:
    found = campaign(schedule=None, at=AT, status=status, **changes)
    spec = spec_of(found)
    end = endings.ending(found, spec, jobs or [], run_record, since, now, known=known)
    return end.reason if end else None


def test_nothing_is_missed_before_its_deadline() -> None:
    assert ended(BEFORE) is None
    assert ended(NOW + DEADLINE) is None


def test_what_did_not_start_within_its_deadline_is_missed() -> None:
    assert ended(NOW + DEADLINE + timedelta(seconds=11)) == "Missed"
    assert ended(NOW + DEADLINE + timedelta(seconds=11), suspend=True) == "Missed"


def test_what_was_applied_or_resumed_after_its_time_is_missed_at_once() -> None:
    assert ended(NOW + timedelta(seconds=5), since=NOW + timedelta(seconds=1)) == "Missed"


def test_nothing_is_missed_where_nobody_can_tell() -> None:
    assert ended(NOW + timedelta(days=1), known=False) is None


def test_it_has_run_once_its_run_is_settled() -> None:
    assert ended(NOW, [job()], run_record=record(RUN)) is None
    assert ended(NOW, [job()], run_record=record(RUN, settled_at=NOW)) == "Ran"


@pytest.mark.parametrize(
    ("state", "expected"),
    [(JobState.ACTIVE, None), (JobState.FAILED, "Failed"), (JobState.COMPLETE, "Refused")],
)
def test_its_job_stands_for_it_while_there_is_no_run(state: JobState, expected: Any) -> None:
    late = NOW + timedelta(days=1)
    assert ended(late, [job(state=state)], since=late) == expected


def test_a_job_of_another_year_or_by_hand_is_not_its_run() -> None:
    late = NOW + timedelta(days=1)
    other = job(NOW.replace(year=2025), JobState.COMPLETE)
    assert ended(late, [other, job(name="by-hand", state=JobState.COMPLETE)]) == "Missed"


def test_what_has_ended_stays_ended_after_its_traces_are_gone() -> None:
    complete = {"type": "Complete", "status": "True", "reason": "Ran", "message": "Done."}
    kept = {"conditions": [complete]}
    assert ended(NOW + timedelta(days=400), status=kept) == "Ran"


def test_a_run_that_was_found_after_all_was_not_missed() -> None:
    complete = {"type": "Complete", "status": "True", "reason": "Missed", "message": "No."}
    found = record(RUN, settled_at=NOW)
    assert ended(NOW, run_record=found, status={"conditions": [complete]}) == "Ran"


def test_one_without_a_time_never_ends() -> None:
    found = campaign()
    assert endings.ending(found, spec_of(found), [], None, NOW, NOW, known=True) is None


# When it runs next


@pytest.mark.parametrize(
    ("schedule", "zone", "expected"),
    [
        ("0 9 * * 1-5", None, "2026-12-02T09:00:00Z"),
        ("0 9 * * *", "Europe/Amsterdam", "2026-12-02T08:00:00Z"),
        ("@hourly", None, "2026-12-01T13:00:00Z"),
        ("*/70 * * * *", None, "2026-12-01T13:00:00Z"),
        ("0 0 29 2 *", None, "2028-02-29T00:00:00Z"),
        ("0 0 30 2 *", None, "never"),
        ("? 0 * * *", None, "unknown"),
        ("0 9 * * *", "Nowhere/Land", "unknown"),
        ("0 9 * * *", "../etc/passwd", "unknown"),
    ],
)
def test_the_next_time_or_why_there_is_none(schedule: str, zone: str | None, expected: str) -> None:
    assert schedules.next_schedule(schedule, zone, NOW).shown == expected
