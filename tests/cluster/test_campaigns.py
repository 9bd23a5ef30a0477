"""Campaigns on a real cluster: a run's worth of mails each, whatever happens, and no blast."""

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tests.cluster.installation import RELEASE, Installation, campaign, names
from tests.cluster.kube import Kube, Object, wait_until

_OPERATOR_PODS = "app.kubernetes.io/component=operator"
OPERATOR = f"deployment/{RELEASE}-operator"


def name() -> str:
    """A name for a Campaign, and for the group that it mails, that no other test has."""
    return f"c{uuid.uuid4().hex[:8]}"


def next_minute(minutes: int = 1) -> datetime:
    """A whole minute ahead, with some seconds left to make ready."""
    soon = datetime.now(UTC) + timedelta(minutes=minutes, seconds=10)
    return soon.replace(second=0, microsecond=0)


def cronjob(kube: Kube, campaign: str) -> Object | None:
    """A Campaign's CronJob."""
    found = kube.find("cronjobs", f"fogbell.dev/campaign={campaign}")
    return found[0] if found else None


def jobs(kube: Kube, campaign: str) -> list[Object]:
    """The Jobs of a Campaign."""
    return kube.find("jobs", f"fogbell.dev/campaign={campaign}")


def make_job(kube: Kube, campaign: str, job: str) -> None:
    """Make a Job of a Campaign's CronJob by hand, under the name ``job``."""
    made = wait_until("the CronJob", lambda: cronjob(kube, campaign), 60)
    kube.run("create", "job", job, f"--from=cronjob/{made['metadata']['name']}")


def test_it_fires_every_minute_once_to_everyone_and_shows_its_counts(
    installation: Installation,
) -> None:
    mine = name()
    people = installation.directory(mine, 50)
    installation.campaign(mine, mine)
    installation.until_condition(mine, "Ready", "Scheduled")
    installation.until_mails(mine, len(people), each=2, seconds=240)
    installation.kube.run(
        "patch", "campaign", mine, "--type=merge", '--patch={"spec": {"suspend": true}}'
    )
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


def test_a_one_shot_that_was_missed_says_so_and_sends_nothing(installation: Installation) -> None:
    mine = name()
    installation.directory(mine, 3)
    past = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=1)
    installation.campaign(mine, mine, at=past.isoformat())
    installation.until_condition(mine, "Complete", "Missed", seconds=60)
    assert not installation.mails(mine)


def test_two_jobs_of_one_scheduled_time_are_one_run(installation: Installation) -> None:
    mine = name()
    people = installation.directory(mine, 200)
    installation.campaign(mine, mine, schedule="0 0 1 1 *")
    _since_long(installation, mine)
    scheduled = f"campaign-{mine}-{int(datetime.now(UTC).timestamp()) // 60}"
    make_job(installation.kube, mine, scheduled)
    wait_until(
        "a first run", lambda: _ended(installation.kube, mine, scheduled), 120, _why(installation)
    )
    installation.kube.run("delete", "job", scheduled)
    make_job(installation.kube, mine, scheduled)
    wait_until(
        "a second Job", lambda: _ended(installation.kube, mine, scheduled), 120, _why(installation)
    )
    installation.until_mails(mine, len(people))
    assert set(installation.mails(mine).values()) == {1}


def test_a_job_made_by_hand_is_a_run_of_its_own(installation: Installation) -> None:
    mine = name()
    people = installation.directory(mine, 10)
    installation.campaign(mine, mine, schedule="0 0 1 1 *")
    for round_ in (1, 2):
        make_job(installation.kube, mine, f"{mine}-by-hand-{round_}")
        installation.until_mails(mine, len(people), each=round_)
    assert set(installation.mails(mine).values()) == {2}


def test_a_runner_killed_in_the_middle_sends_one_runs_worth(installation: Installation) -> None:
    mine = name()
    people = installation.directory(mine, 3000)
    installation.campaign(mine, mine, schedule="0 0 1 1 *", throttle={"perSecond": 300})
    job = f"{mine}-by-hand"
    make_job(installation.kube, mine, job)
    wait_until("the first mails", lambda: installation.mails(mine), 120, _why(installation))
    pods = installation.kube.find("pods", f"batch.kubernetes.io/job-name={job}")
    installation.kube.delete("pod", *names(pods), force=True)
    installation.until_mails(mine, len(people), seconds=300)
    wait_until("the Job's end", lambda: _ended(installation.kube, mine, job), 180)
    assert set(installation.mails(mine).values()) == {1}


def test_a_schedule_moved_across_now_sends_nothing_for_a_time_already_past(
    installation: Installation,
) -> None:
    mine = name()
    installation.directory(mine, 3)
    installation.campaign(mine, mine, schedule="0 0 1 1 *")
    # A time before the CronJob was made would never fire: one after it has to be past first.
    _since_long(installation, mine)
    past = datetime.now(UTC)
    installation.campaign(mine, mine, schedule=f"{past.minute} {past.hour} * * *")

    def moved() -> bool:
        made = cronjob(installation.kube, mine)
        return made is not None and made["spec"]["schedule"].startswith(f"{past.minute} ")

    wait_until("the moved CronJob", moved, 60)
    made = cronjob(installation.kube, mine)
    assert made is not None
    # Without this touch nothing would fire, and the test would prove nothing.
    installation.kube.run("label", "cronjob", made["metadata"]["name"], "touched=yes")
    fired = wait_until("the Job that nobody asked for", lambda: jobs(installation.kube, mine), 90)
    wait_until(
        "its end",
        lambda: _ended(installation.kube, mine, fired[0]["metadata"]["name"]),
        90,
    )
    pods = installation.kube.find("pods", f"fogbell.dev/campaign={mine}")
    assert _summary(pods[0])["outcome"] == "refused"
    assert not installation.mails(mine)


def test_a_campaign_deleted_in_mid_run_stops_sending(installation: Installation) -> None:
    mine = name()
    people = installation.directory(mine, 3000)
    installation.campaign(mine, mine, schedule="0 0 1 1 *", throttle={"perSecond": 100})
    make_job(installation.kube, mine, f"{mine}-by-hand")
    wait_until("the first mails", lambda: installation.mails(mine), 120, _why(installation))
    installation.kube.delete("campaign", mine)
    _until_quiet(installation, mine)
    assert len(installation.mails(mine)) < len(people)
    assert jobs(installation.kube, mine) == []


def test_a_campaign_deleted_while_the_operator_is_down_stops_once_it_is_back(
    installation: Installation,
) -> None:
    mine = name()
    people = installation.directory(mine, 4000)
    installation.campaign(mine, mine, schedule="0 0 1 1 *", throttle={"perSecond": 50})
    make_job(installation.kube, mine, f"{mine}-by-hand")
    wait_until("the first mails", lambda: installation.mails(mine), 120, _why(installation))
    installation.kube.run("scale", OPERATOR, "--replicas=0")
    try:
        installation.kube.run("wait", "--for=delete", "pod", f"--selector={_OPERATOR_PODS}")
        installation.kube.delete("campaign", mine)
    finally:
        installation.kube.run("scale", OPERATOR, "--replicas=1")
    installation.kube.run("rollout", "status", OPERATOR, "--timeout=120s")
    _until_quiet(installation, mine)
    assert len(installation.mails(mine)) < len(people)


def test_what_is_applied_while_the_operator_is_down_is_done_once_it_is_back(
    installation: Installation,
) -> None:
    mine = name()
    installation.kube.run("scale", OPERATOR, "--replicas=0")
    try:
        installation.kube.run("wait", "--for=delete", "pod", f"--selector={_OPERATOR_PODS}")
        installation.campaign(mine, mine, schedule="0 0 1 1 *")
    finally:
        installation.kube.run("scale", OPERATOR, "--replicas=1")
    installation.until_condition(mine, "Ready", "Scheduled", seconds=120)
    assert cronjob(installation.kube, mine) is not None


def test_a_template_that_does_not_exist_is_named_in_a_condition(
    installation: Installation,
) -> None:
    mine = name()
    wrong = campaign(mine, mine, schedule="0 0 1 1 *", template={"name": "no-such-template"})
    del wrong["spec"]["content"]
    installation.kube.apply(wrong)
    found = installation.until_condition(mine, "Ready", "UnknownTemplate")
    assert "no-such-template" in found["message"]


def _since_long(installation: Installation, campaign: str) -> None:
    """Return in a minute after that of the Campaign's last change, which has then begun."""
    made = wait_until("the CronJob", lambda: cronjob(installation.kube, campaign), 60)
    wait_until(
        "a minute after the Campaign's last change",
        lambda: datetime.now(UTC).strftime("%H:%M") != made["metadata"]["creationTimestamp"][11:16],
        70,
    )


def _why(installation: Installation) -> Callable[[], str]:
    """What the runners have said, for the message of a failure."""
    return lambda: installation.kube.logs("app.kubernetes.io/component=campaign")


def _ended(kube: Kube, campaign: str, job: str) -> bool:
    """Whether a Job of a Campaign is over, well or badly."""
    found = next((j for j in jobs(kube, campaign) if j["metadata"]["name"] == job), None)
    if found is None:
        found = kube.get("job", job) or {}
    conditions = found.get("status", {}).get("conditions") or []
    return any(c["type"] in ("Complete", "Failed") and c["status"] == "True" for c in conditions)


def _summary(pod: Object) -> Object:
    """What a runner left as its termination message."""
    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    summary: Object = json.loads(ended["message"])
    return summary


def _until_quiet(installation: Installation, group: str, seconds: float = 10) -> None:
    """Wait until ``seconds`` have gone by without a further mail to ``group``."""
    seen = (-1, datetime.now(UTC))

    def look() -> bool:
        nonlocal seen
        count, now = sum(installation.mails(group).values()), datetime.now(UTC)
        if count != seen[0]:
            seen = (count, now)
        return now - seen[1] > timedelta(seconds=seconds)

    wait_until("an end of mails", look, 90)
