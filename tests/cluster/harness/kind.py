"""kind, for machines with Docker: https://kind.sigs.k8s.io. Untried where there is no Docker."""

import shutil
import subprocess
from pathlib import Path

from tests.cluster.harness.places import cache
from tests.cluster.harness.running import run, say

NAME = "fogbell"


def available() -> bool:
    """Whether kind is installed and Docker answers."""
    if shutil.which("kind") is None or shutil.which("docker") is None:
        return False
    asked = subprocess.run(["docker", "info"], capture_output=True, check=False)
    return asked.returncode == 0


def start() -> Path:
    """Start the cluster unless it runs; returns its kubeconfig."""
    config = cache() / "kind.kubeconfig"
    config.parent.mkdir(parents=True, exist_ok=True)
    if NAME not in run("kind", "get", "clusters").split():
        say("starting a cluster of kind")
        run("kind", "create", "cluster", "--name", NAME, "--wait", "120s")
    run("kind", "export", "kubeconfig", "--name", NAME, "--kubeconfig", config)
    return config


def load(image: str) -> None:
    """Give an image that docker has to the cluster."""
    run("kind", "load", "docker-image", image, "--name", NAME)
