"""Campaigns while the operator is away: done once it is back, and done once."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from tests.cluster.campaigns import (
    YEARLY,
    begun,
    cancelled,
    cronjob,
    effective_since,
    exactly,
    jobs,
    make_job,
    name,
    next_minute,
)
from tests.cluster.installation import Installation
from tests.cluster.kube import names, wait_until

SLOW = {"perSecond": 15}


@dataclass(frozen=True, slots=True)
class Outage:
    """Campaigns that something was done to while no operator was there; each named after it."""

    installation: Installation
    created: str
    updated: str
    deleted: str
    missed: str
    run: str
    """Of the one that was deleted."""
    updated_since: datetime
    """Since when the one that was updated had fired as it did."""


@pytest.fixture(scope="module")
def outage(installation: Installation) -> Iterator[Outage]:
    """An operator that was down for a minute, in which people went on with their work."""
    created, updated, deleted, missed = (name() for _ in range(4))
    for group in (updated, missed):
        installation.directory(group, 3)
    installation.directory(deleted, 4000)
    installation.campaign(updated, updated, schedule=YEARLY)
    installation.campaign(deleted, deleted, schedule=YEARLY, throttle=SLOW)
    make_job(installation.kube, deleted, f"{deleted}-by-hand")
    installation.until_reached(deleted)
    run = begun(installation, deleted)
    installation.until_condition(updated, "Ready", "Scheduled")
    since = effective_since(installation.kube, updated)
    with installation.without("operator"):
        installation.kube.delete("campaign", deleted)
        at = next_minute()
        installation.campaign(created, created, schedule=YEARLY)
        installation.campaign(updated, updated, schedule="0 0 2 1 *", suspend=True)
        installation.campaign(missed, missed, at=at.isoformat())
        wait_until("the time of a one-shot", lambda: datetime.now(UTC) > at, 90)
    yield Outage(installation, created, updated, deleted, missed, run, since)
    for campaign in (created, updated, missed):
        installation.kube.delete("campaign", campaign)


def test_what_was_applied_while_the_operator_was_down_is_scheduled(outage: Outage) -> None:
    outage.installation.until_condition(outage.created, "Ready", "Scheduled", seconds=120)
    assert cronjob(outage.installation.kube, outage.created) is not None


def test_what_was_changed_while_the_operator_was_down_counts_from_when_it_is_back(
    outage: Outage,
) -> None:
    outage.installation.until_condition(outage.updated, "Suspended", "Suspended", seconds=120)
    made = cronjob(outage.installation.kube, outage.updated)
    assert made is not None
    assert (made["spec"]["schedule"], made["spec"]["suspend"]) == ("0 0 2 1 *", True)
    assert effective_since(outage.installation.kube, outage.updated) > outage.updated_since


def test_what_was_deleted_while_the_operator_was_down_stops_sending(outage: Outage) -> None:
    cancelled(outage.installation, outage.deleted, outage.run, 4000)
    assert len(outage.installation.mails(outage.deleted)) < 4000
    assert jobs(outage.installation.kube, outage.deleted) == []
    assert cronjob(outage.installation.kube, outage.deleted) is None


def test_a_one_shot_whose_time_passed_while_the_operator_was_down_is_missed(
    outage: Outage,
) -> None:
    outage.installation.until_condition(outage.missed, "Complete", "Missed", seconds=120)
    assert not outage.installation.mails(outage.missed)
    assert jobs(outage.installation.kube, outage.missed) == []


def test_an_operator_killed_again_and_again_during_a_run_leaves_one_run_and_a_true_status(
    installation: Installation,
) -> None:
    mine = name()
    people = installation.directory(mine, 1500)
    installation.campaign(mine, mine, schedule=YEARLY, throttle={"perSecond": 100})
    make_job(installation.kube, mine, f"{mine}-by-hand")
    for share in (1, 500, 1000):
        installation.until_reached(mine, share)
        pods = names(installation.kube.pods("operator"))
        installation.kube.delete("pod", *pods, force=True)
    exactly(installation, mine, len(people))
    installation.until_condition(mine, "LastRunSucceeded", "Settled", seconds=180)
    run = installation.status(mine)["lastRun"]
    assert (run["expected"], run["delivered"]) == (len(people), len(people))
    assert len(jobs(installation.kube, mine)) == 1
