"""The cluster that these tests run on, and a namespace for each."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.beats import Beats, watched_beats
from tests.cluster.ground import Ground, lasting_mongodb
from tests.cluster.harness import kind
from tests.cluster.harness.cluster import Cluster, open_cluster
from tests.cluster.harness.places import COMPONENTS, GATEWAY, REPOSITORY, foreign_kubeconfig
from tests.cluster.harness.resources import wait_established
from tests.cluster.installation import KEEP_CRDS, Installation
from tests.cluster.kube import Kube, fresh_namespace

from fogbell_local.sink import SinkServer

SINK_HOST = "FOGBELL_SINK_HOST"
CRDS = REPOSITORY / "k8s" / "crds"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test here waits for pods and for minutes to come round."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session")
def own_cluster() -> Iterator[Cluster | None]:
    """The cluster of this machine, started for these tests unless it runs; None for another."""
    named = foreign_kubeconfig()
    if named and not named.is_file():
        # Once, and not as an error of each test.
        pytest.exit(f"FOGBELL_KUBECONFIG names {named}: there is no such file", returncode=1)
    if named or kind.available():
        yield None
        return
    cluster = open_cluster()
    if cluster.running:
        yield cluster
        return
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def kubeconfig(own_cluster: Cluster | None) -> Path:
    """How the cluster is reached, as an administrator."""
    if own_cluster is not None:
        return own_cluster.state.kubeconfig
    return foreign_kubeconfig() or kind.start()


@pytest.fixture(scope="session")
def admin(own_cluster: Cluster | None, kubeconfig: Path) -> Kube:
    """kubectl in the namespace `default`; the Campaign resource is there."""
    program = own_cluster.tools.kubectl if own_cluster else Path(shutil.which("kubectl") or "")
    kube = Kube(program, kubeconfig, "default")
    # By force: a release that owned it before may have left its mark.
    kube.run("apply", "--server-side", "--force-conflicts", f"--filename={CRDS}")
    wait_established(kube.run, "campaigns.fogbell.dev")
    return kube


@pytest.fixture
def kube(admin: Kube) -> Iterator[Kube]:
    """kubectl in a fresh namespace in which pods must be restricted; deleted after the test."""
    with fresh_namespace(admin) as kube:
        yield kube


@pytest.fixture(scope="session")
def ground(own_cluster: Cluster | None, kubeconfig: Path) -> Ground:  # noqa: ARG001 - started
    """Where Fogbell can be installed: its images are in the nodes."""
    if own_cluster is not None:
        own_cluster.images.load_services()
        own_cluster.images.load_components(*COMPONENTS)
        return Ground(GATEWAY, own=own_cluster)
    if foreign_kubeconfig():
        return Ground(os.environ.get(SINK_HOST, "127.0.0.1"))
    kind.load_components(*COMPONENTS)
    return Ground(os.environ.get(SINK_HOST) or kind.host(), kind.OFFICIAL_SERVERS)


@pytest.fixture(scope="session")
def installation(
    ground: Ground, admin: Kube, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """Fogbell in a namespace of its own, with trial servers and a sink for a relay."""
    place = tmp_path_factory.mktemp("sink")
    with (
        SinkServer.start(place, host=ground.sink_host) as sink,
        fresh_namespace(admin) as kube,
        lasting_mongodb(ground, admin, kube) as persistence,
    ):
        found = Installation(kube, sink, (KEEP_CRDS, *ground.flags, *persistence))
        found.upgrade()
        yield found


@pytest.fixture(scope="session", autouse=True)
def _beats_from_the_start(request: pytest.FixtureRequest) -> None:
    """The beats are watched from the installation on, if a test is going to ask for them."""
    if any("beats" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("beats")


@pytest.fixture(scope="session")
def beats(installation: Installation) -> Iterator[Beats]:
    """The retry CronJob's Jobs, from the installation on."""
    with watched_beats(installation.kube) as watching:
        yield watching
