"""Campaigns on a real cluster: a run's worth of mails each, whatever happens."""

from datetime import UTC, datetime

from tests.cluster.campaigns import (
    YEARLY,
    cronjob,
    ended,
    jobs,
    make_job,
    name,
    next_minute,
    since_long,
    until_quiet,
    why,
)
from tests.cluster.installation import Installation, campaign, names
from tests.cluster.kube import wait_until


def test_it_fires_every_minute_once_to_everyone_and_shows_its_counts(
    installation: Installation,
) -> None:
    mine = name()
    people = installation.directory(mine, 50)
    installation.campaign(mine, mine)
    installation.until_condition(mine, "Ready", "Scheduled")
    installation.until_mails(mine, len(people), each=2, seconds=240)
    installation.suspend(mine, suspend=True)
    installation.until_condition(mine, "Suspended", "Suspended")

    def counted() -> bool:
        run = installation.status(mine).get("lastRun", {})
        return run.get("delivered") == len(people) and bool(run.get("finishedAt"))

    wait_until("the counts of the last run", counted, 120, lambda: str(installation.status(mine)))
    runs = len(jobs(installation.kube, mine))
    mails = installation.mails(mine)
    assert set(mails.values()) == {runs}, "not one mail a run for each"
    listed = installation.kube.run("get", "campaign", mine)
    assert str(len(people)) in listed


def test_a_one_shot_fires_once_and_its_cronjob_is_suspended(installation: Installation) -> None:
    mine = name()
    people = installation.directory(mine, 5)
    at = next_minute()
    installation.campaign(mine, mine, at=at.isoformat())
    installation.until_mails(mine, len(people), seconds=200)
    installation.until_condition(mine, "Complete", "Ran", seconds=120)
    made = cronjob(installation.kube, mine)
    assert made is not None
    assert made["spec"]["suspend"] is True
    assert set(installation.mails(mine).values()) == {1}


def test_two_jobs_of_one_scheduled_time_are_one_run(installation: Installation) -> None:
    mine = name()
    people = installation.directory(mine, 200)
    installation.campaign(mine, mine, schedule=YEARLY)
    since_long(installation, mine)
    scheduled = f"campaign-{mine}-{int(datetime.now(UTC).timestamp()) // 60}"
    make_job(installation.kube, mine, scheduled)
    wait_until(
        "a first run", lambda: ended(installation.kube, mine, scheduled), 120, why(installation)
    )
    installation.kube.run("delete", "job", scheduled)
    make_job(installation.kube, mine, scheduled)
    wait_until(
        "a second Job", lambda: ended(installation.kube, mine, scheduled), 120, why(installation)
    )
    installation.until_mails(mine, len(people))
    assert set(installation.mails(mine).values()) == {1}


def test_a_job_made_by_hand_is_a_run_of_its_own(installation: Installation) -> None:
    mine = name()
    people = installation.directory(mine, 10)
    installation.campaign(mine, mine, schedule=YEARLY)
    for round_ in (1, 2):
        make_job(installation.kube, mine, f"{mine}-by-hand-{round_}")
        installation.until_mails(mine, len(people), each=round_)
    assert set(installation.mails(mine).values()) == {2}


def test_a_runner_killed_in_the_middle_sends_one_runs_worth(installation: Installation) -> None:
    mine = name()
    people = installation.directory(mine, 3000)
    installation.campaign(mine, mine, schedule=YEARLY, throttle={"perSecond": 300})
    job = f"{mine}-by-hand"
    make_job(installation.kube, mine, job)
    installation.until_reached(mine)
    pods = installation.kube.find("pods", f"batch.kubernetes.io/job-name={job}")
    installation.kube.delete("pod", *names(pods), force=True)
    installation.until_mails(mine, len(people), seconds=300)
    wait_until("the Job's end", lambda: ended(installation.kube, mine, job), 180)
    assert set(installation.mails(mine).values()) == {1}


def test_a_campaign_deleted_in_mid_run_stops_sending(installation: Installation) -> None:
    mine = name()
    people = installation.directory(mine, 3000)
    installation.campaign(mine, mine, schedule=YEARLY, throttle={"perSecond": 100})
    make_job(installation.kube, mine, f"{mine}-by-hand")
    installation.until_reached(mine)
    installation.kube.delete("campaign", mine)
    until_quiet(installation, mine)
    assert len(installation.mails(mine)) < len(people)
    assert jobs(installation.kube, mine) == []


def test_one_that_is_made_again_under_its_name_sends_its_own_run_and_not_the_old_one(
    installation: Installation,
) -> None:
    mine, new = name(), name()
    old_people, new_people = installation.directory(mine, 3000), installation.directory(new, 20)
    installation.campaign(mine, mine, schedule=YEARLY, throttle={"perSecond": 100})
    make_job(installation.kube, mine, f"{mine}-by-hand")
    installation.until_reached(mine)
    installation.kube.delete("campaign", mine)
    installation.campaign(mine, new, schedule=YEARLY)
    until_quiet(installation, mine)
    assert len(installation.mails(mine)) < len(old_people)
    installation.until_condition(mine, "Ready", "Scheduled")
    assert installation.status(mine).get("lastRun") is None
    make_job(installation.kube, mine, f"{mine}-by-hand")
    installation.until_mails(new, len(new_people))
    installation.until_condition(mine, "LastRunSucceeded", "Settled", seconds=120)
    assert set(installation.mails(new).values()) == {1}


def test_a_template_that_does_not_exist_is_named_in_a_condition(
    installation: Installation,
) -> None:
    mine = name()
    wrong = campaign(mine, mine, schedule=YEARLY, template={"name": "no-such-template"})
    del wrong["spec"]["content"]
    installation.kube.apply(wrong)
    found = installation.until_condition(mine, "Ready", "UnknownTemplate")
    assert "no-such-template" in found["message"]
