"""What fires at a time that nobody wants any more sends nothing: the blasts that must not be."""

from datetime import UTC, datetime, timedelta

from tests.cluster.campaigns import (
    YEARLY,
    cron_line,
    cronjob,
    ended,
    jobs,
    name,
    next_minute,
    since_long,
    summary,
)
from tests.cluster.installation import Installation
from tests.cluster.kube import wait_until


def test_a_schedule_moved_across_now_sends_nothing_for_a_time_already_past(
    installation: Installation,
) -> None:
    mine = name()
    installation.directory(mine, 3)
    installation.campaign(mine, mine, schedule=YEARLY)
    # A time before the CronJob was made would never fire: one after it has to be past first.
    since_long(installation, mine)
    past = datetime.now(UTC)
    installation.campaign(mine, mine, schedule=cron_line(past))

    def moved() -> str | None:
        made = cronjob(installation.kube, mine)
        there = made is not None and made["spec"]["schedule"] == cron_line(past)
        return made["metadata"]["name"] if made is not None and there else None

    found = wait_until("the moved CronJob", moved, 60)
    # Without this touch nothing would fire, and the test would prove nothing.
    installation.kube.run("label", "cronjob", found, "touched=yes")
    until_refused(installation, mine)


def test_lifting_suspend_sends_nothing_for_a_time_already_past(
    installation: Installation,
) -> None:
    mine = name()
    installation.directory(mine, 3)
    soon = next_minute()
    installation.campaign(mine, mine, schedule=cron_line(soon), suspend=True)
    installation.until_condition(mine, "Suspended", "Suspended")
    assert datetime.now(UTC) < soon, "its CronJob came too late for that time"
    wait_until("the time that it is suspended at", lambda: datetime.now(UTC) > soon, 90)
    assert not jobs(installation.kube, mine)
    # Kubernetes fires for it in the same second: it is within the deadline.
    installation.suspend(mine, suspend=False)
    until_refused(installation, mine)


def until_refused(installation: Installation, campaign: str) -> None:
    """Wait for the Job that nobody asked for; its runner must have refused, and sent nothing."""
    kube = installation.kube
    (job, *more) = wait_until("the Job that nobody asked for", lambda: jobs(kube, campaign), 90)
    assert not more
    wait_until("its end", lambda: ended(kube, job["metadata"]["name"]), 90)
    (pod,) = kube.find("pods", f"fogbell.dev/campaign={campaign}")
    told = summary(pod)
    assert (told["outcome"], told["reason"]) == ("refused", "BeforeChange")
    installation.until_condition(campaign, "LastRunSucceeded", "Refused")
    assert not installation.mails(campaign)


def test_a_one_shot_that_was_past_when_it_was_applied_says_so_and_sends_nothing(
    installation: Installation,
) -> None:
    mine = name()
    installation.directory(mine, 3)
    past = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=1)
    installation.campaign(mine, mine, at=past.isoformat())
    installation.until_condition(mine, "Complete", "Missed", seconds=60)
    assert not installation.mails(mine)
