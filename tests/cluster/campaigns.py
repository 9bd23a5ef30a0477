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
    soon = datetime.now(UTC) + timedelta(minutes=minutes, seconds=10)
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


def ended(kube: Kube, campaign: str, job: str) -> bool:
    """Whether a Job of a Campaign is over, well or badly."""
    found = next((j for j in jobs(kube, campaign) if j["metadata"]["name"] == job), None)
    if found is None:
        found = kube.get("job", job) or {}
    conditions = found.get("status", {}).get("conditions") or []
    return any(c["type"] in ("Complete", "Failed") and c["status"] == "True" for c in conditions)


def summary(pod: Object) -> Object:
    """What a runner left as its termination message."""
    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    summary: Object = json.loads(ended["message"])
    return summary


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
