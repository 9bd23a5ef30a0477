"""What an installation is put on: a cluster, and how its pods reach this machine."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from tests.cluster.harness.cluster import Cluster
from tests.cluster.harness.volumes import volume
from tests.cluster.kube import Kube

MONGODB_CLAIM = "data-fogbell-mongodb-0"


@dataclass(frozen=True, slots=True)
class Ground:
    """A cluster that has the images.

    ``sink_host`` is an address of this machine that pods reach; ``flags`` of helm's are what an
    installation needs there; ``own`` is None where the cluster is not one of the harness's.
    """

    sink_host: str
    flags: tuple[str, ...] = ()
    own: Cluster | None = None


@contextlib.contextmanager
def lasting_mongodb(ground: Ground, admin: Kube, kube: Kube) -> Iterator[tuple[str, ...]]:
    """Flags with which MongoDB's data outlives its pod in the namespace of ``kube``.

    The harness's cluster has no StorageClass: there the volume is made here.
    """
    flags = ("--set=dev.mongodb.persistence.enabled=true",)
    if ground.own is None:
        yield flags
        return
    made = volume(ground.own.state, kube.namespace, MONGODB_CLAIM)
    admin.apply(made)
    try:
        yield flags
    finally:
        admin.delete("persistentvolume", f"{kube.namespace}-{MONGODB_CLAIM}")
