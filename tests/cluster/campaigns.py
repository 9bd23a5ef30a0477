"""Campaigns of tests on a real cluster: their CronJobs, Jobs and runs."""

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tests.cluster.installation import Installation
from tests.cluster.kube import Kube, Object, wait_until

YEARLY = "0 0 1 1 *"
"""A schedule that no test sees fire."""


def name() -> str:
    """A name for a Campaign, and for the group that it mails, that no other test has."""
    return f"c{uuid.uuid4().hex[:8]}"


def next_minute(minutes: int = 1) -> datetime:
    """A whole minute ahead, with some seconds left to make ready."""
    soon = datetime.now(UTC) + timedelta(minutes=minutes, seconds=25)
    return soon.replace(second=0, microsecond=0)


def cron_line(time: datetime) -> str:
    """The schedule that names one minute of each day, in UTC."""
    return f"{time.minute} {time.hour} * * *"


def cronjob(kube: Kube, campaign: str) -> Object | None:
    """A Campaign's CronJob."""
    found = kube.find("cronjobs", f"fogbell.dev/campaign={campaign}")
    return found[0] if found else None


def effective_since(kube: Kube, campaign: str) -> datetime:
    """Since when a Campaign's CronJob, which must be there, fires as it does."""
    made = cronjob(kube, campaign)
    assert made is not None
    return datetime.fromisoformat(made["metadata"]["annotations"]["fogbell.dev/effective-since"])


def jobs(kube: Kube, campaign: str) -> list[Object]:
    """The Jobs of a Campaign."""
    return kube.find("jobs", f"fogbell.dev/campaign={campaign}")


def make_job(kube: Kube, campaign: str, job: str) -> None:
    """Make a Job of a Campaign's CronJob by hand, under the name ``job``."""
    made = wait_until("the CronJob", lambda: cronjob(kube, campaign), 60)
    kube.run("create", "job", job, f"--from=cronjob/{made['metadata']['name']}")


def since_long(installation: Installation, campaign: str) -> None:
    """Return in a minute after that of the Campaign's last change, which has then begun."""
    made = wait_until("the CronJob", lambda: cronjob(installation.kube, campaign), 60)
    wait_until(
        "a minute after the Campaign's last change",
        lambda: datetime.now(UTC).strftime("%H:%M") != made["metadata"]["creationTimestamp"][11:16],
        70,
    )


def why(installation: Installation) -> Callable[[], str]:
    """What the runners have said, for the message of a failure."""
    return lambda: installation.kube.logs("app.kubernetes.io/component=campaign")


def ended(kube: Kube, job: str) -> bool:
    """Whether a Job is over, well or badly."""
    conditions = (kube.get("job", job) or {}).get("status", {}).get("conditions") or []
    return any(c["type"] in ("Complete", "Failed") and c["status"] == "True" for c in conditions)


def summary(pod: Object) -> Object:
    """What a runner left as its termination message."""
    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    summary: Object = json.loads(ended["message"])
    return summary


def exactly(installation: Installation, group: str, people: int, each: int = 1) -> None:
    """Everyone of ``group`` gets so many mails, and no further one comes."""
    installation.until_mails(group, people, each=each, seconds=300)
    until_quiet(installation, group)
    assert set(installation.mails(group).values()) == {each}


def begun(installation: Installation, campaign: str) -> str:
    """The notification of a Campaign's run, once its status shows it."""
    run: str = wait_until(
        "a run in the status",
        lambda: installation.status(campaign).get("lastRun", {}).get("id"),
        60,
        why(installation),
    )
    return run


def cancelled(installation: Installation, group: str, run: str, people: int) -> None:
    """A run that was stopped half-way is cancelled in the records, and nothing more of it is sent.

    What ends its pods, and no more, would leave the rest to a worker: the sweep hands it over. So
    it is looked at for more than a minute. Counts come late; at rest they are those of the sink.
    """
    installation.until_settled(run, seconds=120)
    until_quiet(installation, group)
    sent = sum(installation.mails(group).values())
    later = datetime.now(UTC) + timedelta(seconds=65)
    wait_until("another sweep", lambda: datetime.now(UTC) > later, 70)
    assert sum(installation.mails(group).values()) == sent < people, "it went on"
    with installation.api() as api:
        at_rest = api.notification(run)
    totals = at_rest["totals"]
    assert at_rest["status"] == "cancelled"
    assert sum(totals[word] for word in ("pending", "sending", "failed")) == 0, totals
    assert totals["delivered"] == sent, totals
    assert sum(totals.values()) < people, "it was not stopped half-way"


def until_quiet(installation: Installation, group: str, seconds: float = 10) -> None:
    """Wait until ``seconds`` have gone by without a further mail to ``group``."""
    seen = (-1, datetime.now(UTC))

    def look() -> bool:
        nonlocal seen
        count, now = sum(installation.mails(group).values()), datetime.now(UTC)
        if count != seen[0]:
            seen = (count, now)
        return now - seen[1] > timedelta(seconds=seconds)

    wait_until("an end of mails", look, 90)
