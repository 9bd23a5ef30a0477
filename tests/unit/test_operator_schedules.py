"""For how long Kubernetes owes a Campaign its run."""

from datetime import UTC, datetime, timedelta

import pytest

from fogbell_operator import schedules
from fogbell_operator.resources import CronJob, Timing

NOW = datetime(2026, 11, 29, 12, 7, tzinfo=UTC)
DUE = NOW.replace(minute=0)
"""When the schedule below named a time last."""

HOURLY, ZONE = "0 * * * *", "Europe/Berlin"
LONG_AGO = NOW - timedelta(days=3)
NOTHING = timedelta(0)


def cronjob(
    *, since: datetime | None = LONG_AGO, made: datetime | None = None, suspend: bool = False
) -> CronJob:
    timing = Timing(HOURLY, ZONE, 300, suspend)
    return CronJob("campaign-nightly", "uid", timing, since, made)


@pytest.mark.parametrize(
    ("live", "since"),
    [
        (cronjob(made=DUE - timedelta(hours=1)), DUE),
        (cronjob(since=DUE - timedelta(minutes=1)), DUE),
        (cronjob(made=DUE - timedelta(hours=3)), DUE - timedelta(hours=2)),
    ],
    ids=["the last one", "the first one", "three"],
)
def test_a_job_that_is_missing_is_owed_since_the_first_time_that_has_none(
    live: CronJob, since: datetime
) -> None:
    assert schedules.overdue(HOURLY, ZONE, live, None, NOW) == NOW - since


def test_what_is_owed_goes_on_past_the_next_time() -> None:
    live = cronjob(made=NOW - timedelta(minutes=5))
    owed = schedules.overdue("* * * * *", ZONE, live, None, NOW)
    assert owed == timedelta(minutes=4)


@pytest.mark.parametrize(
    "live",
    [
        cronjob(made=DUE),
        cronjob(since=DUE + timedelta(minutes=1)),
        cronjob(since=DUE),
        cronjob(since=None),
        cronjob(suspend=True),
        None,
    ],
    ids=["made", "fires only since", "since that time", "not known", "suspended", "no CronJob"],
)
def test_nothing_is_owed_otherwise(live: CronJob | None) -> None:
    assert schedules.overdue(HOURLY, ZONE, live, None, NOW) == NOTHING


@pytest.mark.parametrize("schedule", ["0 0 30 2 *", "nonsense"])
def test_nothing_is_owed_by_a_schedule_that_never_names_a_time(schedule: str) -> None:
    assert schedules.overdue(schedule, None, cronjob(), None, NOW) == NOTHING


@pytest.mark.parametrize(
    ("made", "owed"), [(DUE, NOTHING), (DUE - timedelta(hours=1), timedelta(minutes=7))]
)
def test_a_run_that_somebody_has_started_by_hand_since_is_not_owed(
    made: datetime, owed: timedelta
) -> None:
    assert schedules.overdue(HOURLY, ZONE, cronjob(), made, NOW) == owed
