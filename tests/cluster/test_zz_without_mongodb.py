"""After the beats, which it makes fail: a run that starts while MongoDB is away."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from tests.cluster.campaigns import jobs, name, next_minute, why
from tests.cluster.installation import RELEASE, Installation
from tests.cluster.kube import wait_until


@contextmanager
def before_its_name(installation: Installation) -> Iterator[None]:
    """The pod of MongoDB's that begins in the block is known to DNS only after it.

    So it is where a name spreads slowly: a member looks for itself in its set before that.
    """
    kube, name = installation.kube, f"{RELEASE}-mongodb"
    service = kube.get("service", name)
    assert service is not None
    kube.run("delete", "service", name)
    try:
        yield
    finally:
        kept = {key: service["metadata"][key] for key in ("name", "labels", "annotations")}
        kube.apply(service | {"metadata": kept})


@contextmanager
def without_mongodb(installation: Installation, seconds: float) -> Iterator[None]:
    """MongoDB is away from before the block until ``seconds`` after it."""
    with installation.without("mongodb", "statefulset"):
        yield
        back = datetime.now(UTC) + timedelta(seconds=seconds)
        wait_until("the end of the outage", lambda: datetime.now(UTC) > back, seconds + 5)


def test_a_run_that_starts_while_mongodb_is_away_for_a_minute_still_happens(
    installation: Installation,
) -> None:
    mine = name()
    people = installation.directory(mine, 100)
    at = next_minute(2)
    installation.campaign(mine, mine, at=at.isoformat())
    installation.until_condition(mine, "Ready", "Scheduled")
    with before_its_name(installation), without_mongodb(installation, 60):
        assert datetime.now(UTC) < at, "the outage came too late"
        wait_until(
            "a runner that waits",
            lambda: "waiting_for_mongodb" in why(installation)(),
            180,
            why(installation),
        )
    installation.until_mails(mine, len(people), seconds=200)
    installation.until_condition(mine, "Complete", "Ran", seconds=180)
    assert set(installation.mails(mine).values()) == {1}
    assert len(jobs(installation.kube, mine)) == 1
