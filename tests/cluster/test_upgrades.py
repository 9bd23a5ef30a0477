"""A release through its life: installed by an earlier chart, upgraded under load, uninstalled.

These tests stand in the order of that life; each goes on where the one before it has ended.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.campaigns import YEARLY, cronjob, effective_since, exactly, make_job, name
from tests.cluster.ground import Ground
from tests.cluster.harness.cluster import Cluster
from tests.cluster.harness.earlier import EARLIER, unpack_earlier
from tests.cluster.harness.places import COMPONENTS
from tests.cluster.installation import (
    OWN_CRDS,
    RELEASE,
    Installation,
    helm,
)
from tests.cluster.kube import Kube, fresh_namespace

from fogbell_local.sink import SinkServer


@pytest.fixture(scope="module")
def tree(own_cluster: Cluster | None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree as it stood before the last change of what is installed; its images are there."""
    if own_cluster is None:
        pytest.skip("images of an earlier commit are loaded into the harness's own cluster alone")
    found = unpack_earlier(tmp_path_factory.mktemp("earlier"))
    own_cluster.images.load_components(*COMPONENTS, tree=found, tag=EARLIER)
    return found


@pytest.fixture(scope="module")
def release(
    tree: Path, ground: Ground, admin: Kube, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """A release of the earlier chart that owns the Campaign resource."""
    place = tmp_path_factory.mktemp("sink")
    with SinkServer.start(place, host=ground.sink_host) as sink, fresh_namespace(admin) as kube:
        found = Installation(kube, sink, (*OWN_CRDS, *ground.flags))
        found.upgrade(f"--set=image.tag={EARLIER}", chart=tree / "charts" / "fogbell")
        yield found


@pytest.fixture(scope="module")
def kept(release: Installation) -> str:
    """A Campaign, and its CronJob, that have to outlive all of it."""
    campaign = name()
    release.campaign(campaign, campaign, schedule=YEARLY)
    release.until_condition(campaign, "Ready", "Scheduled")
    return campaign


def test_an_upgrade_from_the_earlier_chart_loses_no_delivery_in_flight(
    release: Installation, kept: str
) -> None:
    running = name()
    people = release.directory(running, 3000)
    release.campaign(running, running, schedule=YEARLY, throttle={"perSecond": 30})
    make_job(release.kube, running, f"{running}-by-hand")
    release.until_reached(running)
    since = effective_since(release.kube, kept)
    release.upgrade()
    assert len(release.mails(running)) < len(people), "nothing was in flight any more"
    images = {
        pod["spec"]["containers"][0]["image"].rpartition(":")[2]
        for component in ("intake", "worker", "operator")
        for pod in release.kube.pods(component)
        if not pod["metadata"].get("deletionTimestamp")
    }
    assert images == {"test"}
    exactly(release, running, len(people))
    release.until_condition(running, "LastRunSucceeded", "Settled", seconds=120)
    run = release.status(running)["lastRun"]
    assert (run["expected"], run["delivered"]) == (len(people), len(people))
    assert effective_since(release.kube, kept) == since, "an upgrade moved nobody's schedule"


def test_uninstalling_leaves_the_campaign_resource_and_campaigns(
    release: Installation, kept: str
) -> None:
    helm(release.kube, "uninstall", RELEASE, "--wait", "--timeout=3m")
    for kind in ("deployments", "statefulsets", "services", "secrets", "configmaps"):
        left = release.kube.find(kind, f"app.kubernetes.io/instance={RELEASE}")
        assert left == [], kind
    assert release.kube.get("crd", "campaigns.fogbell.dev") is not None
    assert release.kube.get("campaign", kept) is not None
    assert cronjob(release.kube, kept) is not None
