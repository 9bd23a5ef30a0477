"""Campaigns on a real cluster: a run's worth of mails each, whatever happens."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from queue import Queue

import pytest
from tests.cluster.campaigns import (
    YEARLY,
    begun,
    cancelled,
    cronjob,
    ended,
    exactly,
    jobs,
    make_job,
    name,
    next_minute,
    since_long,
    until_quiet,
    why,
)
from tests.cluster.installation import Installation, campaign
from tests.cluster.kube import Kube, condition, names, wait_until

CREW, FEW = 50, 5
"""How many people a Campaign reaches."""


def columns(kube: Kube, campaign: str) -> dict[str, str]:
    """What ``kubectl get campaign`` shows of one, by the headings."""
    head, row = kube.run("get", "campaign", campaign).splitlines()
    starts = [match.start() for match in re.finditer(r"\S+", head)]
    cells = [row[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)]
    return dict(zip(head.split(), cells, strict=True))


def counts(said: "Queue[str]") -> list[int]:
    """The numbers among the lines that were said so far."""
    return [int(line) for line in list(said.queue) if line.strip().isdigit()]


@dataclass(frozen=True, slots=True)
class Early:
    """Campaigns whose minutes come round while other tests work; each is called like its group."""

    every_minute: str
    once: str


@pytest.fixture(scope="module", autouse=True)
def early(installation: Installation) -> Early:
    """Applied before the first test of this module."""
    found = Early(name(), name())
    installation.directory(found.every_minute, CREW)
    installation.directory(found.once, FEW)
    installation.campaign(found.every_minute, found.every_minute, successfulRunsHistoryLimit=60)
    installation.campaign(found.once, found.once, at=next_minute().isoformat())
    return found


@pytest.fixture(scope="module")
def suspended(installation: Installation, early: Early) -> str:
    """The Campaign of every minute, suspended once it has run twice."""
    mine = early.every_minute
    installation.until_mails(mine, CREW, each=2, seconds=240)
    # Not while a minute comes round: its firing and the suspension would meet.
    wait_until("the middle of a minute", lambda: 10 < datetime.now(UTC).second < 45, 40)
    installation.suspend(mine, suspend=True)
    installation.until_condition(mine, "Suspended", "Suspended")
    return mine


def test_watching_a_campaign_shows_its_counts_rise(installation: Installation) -> None:
    mine = name()
    people = installation.directory(mine, 600)
    installation.campaign(mine, mine, schedule=YEARLY, throttle={"perSecond": 40})
    installation.until_condition(mine, "Ready", "Scheduled")
    shown = "--output=custom-columns=DELIVERED:.status.lastRun.delivered"
    with installation.kube.lines("get", "campaign", mine, "--watch", "--no-headers", shown) as said:
        make_job(installation.kube, mine, f"{mine}-by-hand")
        exactly(installation, mine, len(people))
        installation.until_condition(mine, "LastRunSucceeded", "Settled", seconds=120)
        wait_until("the last count", lambda: counts(said)[-1:] == [len(people)], 30)
        shown_counts = counts(said)
    assert shown_counts == sorted(shown_counts)
    assert len(set(shown_counts)) > 3, shown_counts


def test_two_jobs_of_one_scheduled_time_are_one_run(installation: Installation) -> None:
    mine = name()
    people = installation.directory(mine, 900)
    installation.campaign(mine, mine, schedule=YEARLY, throttle={"perSecond": 60})
    since_long(installation, mine)
    scheduled = f"campaign-{mine}-{int(datetime.now(UTC).timestamp()) // 60}"
    make_job(installation.kube, mine, scheduled)
    installation.until_reached(mine)
    # Its pod goes on, without its Job: the second one meets it.
    installation.kube.run("delete", "job", scheduled, "--cascade=orphan")
    make_job(installation.kube, mine, scheduled)
    wait_until(
        "the second Job", lambda: ended(installation.kube, scheduled), 180, why(installation)
    )
    exactly(installation, mine, len(people))


def test_a_job_made_by_hand_is_a_run_of_its_own(installation: Installation) -> None:
    mine = name()
    people = installation.directory(mine, 10)
    installation.campaign(mine, mine, schedule=YEARLY)
    for round_ in (1, 2):
        make_job(installation.kube, mine, f"{mine}-by-hand-{round_}")
        exactly(installation, mine, len(people), each=round_)


def test_a_job_made_under_the_name_of_the_coming_firing_stands_for_it(
    installation: Installation,
) -> None:
    mine = name()
    people = installation.directory(mine, 10)
    at = next_minute()
    installation.campaign(mine, mine, at=at.isoformat())
    installation.until_condition(mine, "Ready", "Scheduled")
    # Clocks may differ by a minute: what is further ahead is refused.
    near = at - timedelta(seconds=50)
    wait_until("the minute before", lambda: datetime.now(UTC) > near, 60)
    make_job(installation.kube, mine, f"campaign-{mine}-{int(at.timestamp()) // 60}")
    over = at + timedelta(seconds=20)
    wait_until("the time itself", lambda: datetime.now(UTC) > over, 90)
    exactly(installation, mine, len(people))
    installation.until_condition(mine, "Complete", "Ran", seconds=60)
    assert len(jobs(installation.kube, mine)) == 1


def test_a_runner_killed_in_the_middle_sends_one_runs_worth(installation: Installation) -> None:
    mine = name()
    people = installation.directory(mine, 1500)
    installation.campaign(mine, mine, schedule=YEARLY, throttle={"perSecond": 60})
    job = f"{mine}-by-hand"
    make_job(installation.kube, mine, job)
    installation.until_reached(mine)
    pods = installation.kube.find("pods", f"batch.kubernetes.io/job-name={job}")
    installation.kube.delete("pod", *names(pods), force=True)
    assert len(installation.mails(mine)) < len(people), "it was not in the middle"
    exactly(installation, mine, len(people))
    wait_until("the Job's end", lambda: ended(installation.kube, job), 180)


def test_a_one_shot_fires_once_and_its_cronjob_is_suspended(
    installation: Installation, early: Early
) -> None:
    mine = early.once
    installation.until_mails(mine, FEW, seconds=200)
    installation.until_condition(mine, "Complete", "Ran", seconds=120)
    made = cronjob(installation.kube, mine)
    assert made is not None
    assert made["spec"]["suspend"] is True
    exactly(installation, mine, FEW)


def test_it_fires_every_minute_once_to_everyone(installation: Installation, suspended: str) -> None:
    runs = jobs(installation.kube, suspended)
    scheduled = sorted(int(run.rpartition("-")[2]) for run in names(runs))
    assert {later - earlier for earlier, later in pairwise(scheduled)} == {1}
    exactly(installation, suspended, CREW, each=len(runs))
    installation.until_condition(suspended, "LastRunSucceeded", "Settled", seconds=120)
    run = installation.status(suspended)["lastRun"]
    assert (run["expected"], run["delivered"]) == (CREW, CREW)
    assert run["finishedAt"]
    shown = columns(installation.kube, suspended)
    assert (shown["EXPECTED"], shown["DELIVERED"]) == (str(CREW), str(CREW))


def test_a_campaign_deleted_in_mid_run_stops_sending(installation: Installation) -> None:
    mine = name()
    people = installation.directory(mine, 4000)
    installation.campaign(mine, mine, schedule=YEARLY, throttle={"perSecond": 40})
    make_job(installation.kube, mine, f"{mine}-by-hand")
    installation.until_reached(mine)
    run = begun(installation, mine)
    installation.kube.delete("campaign", mine)
    cancelled(installation, mine, run, len(people))
    assert len(installation.mails(mine)) < len(people)
    assert jobs(installation.kube, mine) == []


def test_one_that_is_made_again_under_its_name_sends_its_own_run_and_not_the_old_one(
    installation: Installation,
) -> None:
    mine, new = name(), name()
    old_people, new_people = installation.directory(mine, 4000), installation.directory(new, 20)
    installation.campaign(mine, mine, schedule=YEARLY, throttle={"perSecond": 40})
    make_job(installation.kube, mine, f"{mine}-by-hand")
    installation.until_reached(mine)
    installation.kube.delete("campaign", mine)
    installation.campaign(mine, new, schedule=YEARLY)
    until_quiet(installation, mine)
    assert len(installation.mails(mine)) < len(old_people)
    installation.until_condition(mine, "Ready", "Scheduled")
    assert installation.status(mine).get("lastRun") is None
    make_job(installation.kube, mine, f"{mine}-by-hand")
    exactly(installation, new, len(new_people))
    installation.until_condition(mine, "LastRunSucceeded", "Settled", seconds=120)


def test_a_template_that_does_not_exist_is_named_in_a_condition(
    installation: Installation,
) -> None:
    mine = name()
    wrong = campaign(mine, mine, schedule=YEARLY, template={"name": "no-such-template"})
    del wrong["spec"]["content"]
    installation.kube.apply(wrong)
    found = installation.until_condition(mine, "Ready", "UnknownTemplate")
    assert "no-such-template" in found["message"]


def test_none_fires_while_it_is_suspended(installation: Installation, suspended: str) -> None:
    """Last, so that its minutes have come round meanwhile."""
    said = condition(installation.kube.get("campaign", suspended), "Suspended")
    since = datetime.fromisoformat(said["lastTransitionTime"])
    later = since + timedelta(seconds=80)
    wait_until("a minute in which it would have fired", lambda: datetime.now(UTC) > later, 90)
    runs = jobs(installation.kube, suspended)
    made = [datetime.fromisoformat(run["metadata"]["creationTimestamp"]) for run in runs]
    assert max(made) <= since
    exactly(installation, suspended, CREW, each=len(runs))
