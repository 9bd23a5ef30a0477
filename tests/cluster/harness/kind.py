"""kind, for machines with Docker: https://kind.sigs.k8s.io. Untried where there is no Docker."""

import json
import shutil
import subprocess
from pathlib import Path

from tests.cluster.harness.places import REPOSITORY
from tests.cluster.harness.running import say
from tests.support.commands import ToolError, run

from fogbell_local.cache import cache

NAME = "fogbell"

OFFICIAL_SERVERS = (
    "--set=dev.mongodb.image=mongo:8.0,dev.mongodb.pullPolicy=IfNotPresent",
    "--set=dev.rabbitmq.image=rabbitmq:4.1,dev.rabbitmq.pullPolicy=IfNotPresent",
    "--set=dev.rabbitmq.command={rabbitmq-server}",
)
"""Flags of helm's: where images can be pulled, the trial servers are those of the chart."""


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


def stop() -> None:
    """Remove the cluster, if there is one."""
    run("kind", "delete", "cluster", "--name", NAME)


def load_components(*components: str) -> None:
    """Build the images of ``components`` with docker, and give them to the cluster."""
    for component in components:
        image = f"localhost/fogbell-{component}:test"
        say(f"building the image of {component}")
        argument = f"--build-arg=COMPONENT={component}"
        run("docker", "build", "--quiet", argument, f"--tag={image}", REPOSITORY)
        run("kind", "load", "docker-image", image, "--name", NAME)


def host() -> str:
    """The address at which pods reach this machine: the gateway of the network of kind's nodes."""
    networks = json.loads(run("docker", "network", "inspect", "kind"))
    for pool in networks[0]["IPAM"]["Config"]:
        gateway: str = pool.get("Gateway", "")
        if "." in gateway:
            return gateway
    raise ToolError("Docker's network 'kind' has no IPv4 gateway: set FOGBELL_SINK_HOST")
