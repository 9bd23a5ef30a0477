"""What is written of a Campaign: its status, and Events."""

from datetime import UTC, timedelta
from typing import Any

import pytest
from tests.support.operator import NOW, UID, campaign, record, run

from fogbell.identity import run_id
from fogbell_operator import runs
from fogbell_operator.conditions import Condition
from fogbell_operator.events import build_event, happenings
from fogbell_operator.resources import Campaign
from fogbell_operator.schedules import Next
from fogbell_operator.statuses import Standing, changed, status

RUN = run_id(UID, f"scheduled:{NOW.isoformat()}")


# Status


def standing(*said: Condition, **more: Any) -> Standing:
    return Standing(said or (READY,), Next("never"), 0, **more)


READY = Condition("Ready", "True", "Scheduled", "Its runs will start on time.")


def after(found: Campaign, written: dict[str, Any]) -> Campaign:
    return Campaign(found.namespace, found.name, found.uid, found.generation, found.spec, written)


def test_a_status_is_written_once_and_not_again_while_nothing_happens() -> None:
    found = campaign()
    first = status(found, standing(), NOW)
    assert changed(found, first)
    again = after(found, first)
    assert not changed(again, status(again, standing(), NOW + timedelta(hours=1)))


def test_a_conditions_time_moves_with_its_status_alone() -> None:
    found = campaign()
    found = after(found, status(found, standing(), NOW))
    later = NOW + timedelta(hours=1)
    suspended = Condition("Ready", "True", "Suspended", "...")
    (same,) = status(found, standing(suspended), later)["conditions"]
    assert same["lastTransitionTime"] == "2026-12-01T12:00:00Z"
    wrong = Condition("Ready", "False", "InvalidSpec", "...")
    (moved,) = status(found, standing(wrong), later)["conditions"]
    assert moved["lastTransitionTime"] == "2026-12-01T13:00:00Z"


def test_a_message_is_never_longer_than_the_resource_takes() -> None:
    long = Condition("Ready", "False", "InvalidSpec", "x" * 5_000)
    (written,) = status(campaign(), standing(long), NOW)["conditions"]
    assert len(written["message"]) <= 2_048


def test_what_is_being_sent_is_shown_as_pending_and_unknown_counts_are_left_out() -> None:
    shown = runs.shown(run(record(RUN), pending=1, sending=2, delivered=4))
    assert shown["pending"] == 3
    assert "sending" not in shown
    assert "expected" not in shown
    assert "finishedAt" not in shown


def test_a_settled_run_says_when_and_for_when() -> None:
    settled = record(RUN, expected=4, settled_at=NOW, scheduled_for="2026-12-01T12:00:00+00:00")
    shown = runs.shown(run(settled, delivered=4))
    assert (shown["expected"], shown["delivered"]) == (4, 4)
    assert shown["finishedAt"] == shown["scheduledFor"] == "2026-12-01T12:00:00Z"


# Events


def told(found: Campaign, *now: Condition, last_run: Any = None) -> list[tuple[str, bool]]:
    return [(h.reason, h.warning) for h in happenings(found, now, last_run)]


IDLE = (
    Condition("Suspended", "False", "NotSuspended", "..."),
    Condition("LastRunSucceeded", "Unknown", "NoRun", "..."),
    Condition("Complete", "False", "Waiting", "..."),
)


def test_a_new_campaign_tells_of_itself_once() -> None:
    found = campaign()
    assert told(found, READY, *IDLE) == [("Scheduled", False)]
    found = after(found, status(found, standing(READY, *IDLE), NOW))
    assert told(found, READY, *IDLE) == []


def test_trouble_is_a_warning() -> None:
    wrong = Condition("Ready", "False", "InvalidSchedule", "...")
    failed = Condition("LastRunSucceeded", "False", "JobFailed", "...")
    assert told(campaign(), wrong, failed) == [("InvalidSchedule", True), ("JobFailed", True)]


@pytest.mark.parametrize("reason", ["NobodyMeant", "SettledWithDead"])
def test_a_run_that_went_as_it_was_asked_may_be_a_warning_all_the_same(reason: str) -> None:
    assert told(campaign(), Condition("LastRunSucceeded", "True", reason, "...")) == [
        (reason, True)
    ]


def test_one_that_is_missed_says_so_once() -> None:
    missed = [Condition(kind, word, "Missed", "It was to run at noon.")
              for kind, word in (("Ready", "False"), ("Complete", "True"))]  # fmt: skip
    assert told(campaign(), *missed) == [("Missed", True)]


def test_each_run_tells_how_it_went_also_where_it_went_as_the_one_before() -> None:
    went = Condition("LastRunSucceeded", "True", "Settled", "...")
    found = campaign()
    found = after(found, status(found, standing(went, last_run={"id": "1"}), NOW))
    assert told(found, went, last_run={"id": "1"}) == []
    assert told(found, went, last_run={"id": "2"}) == [("Settled", False)]


def test_an_event_is_about_its_campaign_and_within_kubernetes_limit() -> None:
    (happening,) = happenings(
        campaign(), [Condition("Ready", "False", "InvalidSpec", "x" * 2_000)], None
    )
    event = build_event(campaign(), happening, "nightly.1", "pod", NOW.astimezone(UTC))
    assert event["involvedObject"]["uid"] == UID
    assert event["type"] == "Warning"
    assert len(event["message"]) <= 1_024
