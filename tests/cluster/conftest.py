"""The cluster that these tests run on, and a namespace for each."""

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.harness import kind
from tests.cluster.harness.cluster import Cluster, open_cluster
from tests.cluster.harness.places import REPOSITORY
from tests.cluster.kube import Kube

KUBECONFIG = "FOGBELL_KUBECONFIG"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test here waits for pods and for minutes to come round."""
    for item in items:
        item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session")
def own_cluster() -> Iterator[Cluster | None]:
    """The cluster of this machine, started for these tests unless it runs; None for another."""
    if KUBECONFIG in os.environ or kind.available():
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
    return Path(os.environ[KUBECONFIG]) if KUBECONFIG in os.environ else kind.start()


@pytest.fixture(scope="session")
def admin(own_cluster: Cluster | None, kubeconfig: Path) -> Kube:
    """kubectl in the namespace `default`; the Campaign resource is there."""
    program = own_cluster.tools.kubectl if own_cluster else Path(shutil.which("kubectl") or "")
    kube = Kube(program, kubeconfig, "default")
    kube.run("apply", "--server-side", f"--filename={REPOSITORY / 'k8s' / 'crds'}")
    kube.run("wait", "--for=condition=Established", "crd/campaigns.fogbell.dev", "--timeout=60s")
    return kube


@pytest.fixture
def kube(admin: Kube) -> Iterator[Kube]:
    """kubectl in a fresh namespace in which pods must be restricted; deleted after the test."""
    with fresh_namespace(admin) as kube:
        yield kube


class fresh_namespace:  # noqa: N801 - it reads as the context manager that it is
    """A namespace of its own, whose pods must pass PodSecurity's `restricted`."""

    def __init__(self, admin: Kube) -> None:
        name = f"test-{uuid.uuid4().hex[:8]}"
        self._admin = admin
        self._kube = Kube(admin.kubectl, admin.kubeconfig, name)

    def __enter__(self) -> Kube:
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        name = self._kube.namespace
        self._admin.apply(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": name, "labels": labels},
            }
        )
        return self._kube

    def __exit__(self, *_: object) -> None:
        self._admin.delete("namespace", self._kube.namespace)


def helm(kube: Kube, *arguments: str | Path) -> str:
    """What helm prints; the end of its errors fails the test."""
    program = shutil.which("helm", path=f"{REPOSITORY / '.venv' / 'bin'}:{os.environ['PATH']}")
    assert program is not None, "no helm: run 'make setup'"
    done = subprocess.run(
        [
            program,
            f"--kubeconfig={kube.kubeconfig}",
            f"--namespace={kube.namespace}",
            *(str(word) for word in arguments),
        ],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
