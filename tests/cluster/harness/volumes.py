"""Volumes of a cluster that has no StorageClass: folders of this machine, made by hand."""

import os
from pathlib import Path

from tests.cluster.harness.places import State

SIZE = "20Gi"
"""More than any claim asks for; nothing holds a folder to it."""
OWNER = 10001
"""Who pods run as: Kubernetes does not give a host's folder to a pod's group."""


def volume(state: State, namespace: str, claim: str) -> dict[str, object]:
    """A PersistentVolume to apply, for one claim; its folder goes with the cluster."""
    name = f"{namespace}-{claim}"
    folder: Path = state.root / "volumes" / name
    folder.mkdir(parents=True)
    os.chown(folder, OWNER, OWNER)
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": SIZE},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {"namespace": namespace, "name": claim},
            "hostPath": {"path": str(folder), "type": "Directory"},
        },
    }
