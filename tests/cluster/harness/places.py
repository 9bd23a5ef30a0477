"""Where the cluster keeps its things, and the addresses it takes."""

import os
from dataclasses import dataclass
from pathlib import Path

KUBERNETES_VERSION = "v1.34.4"
"""1.35 and newer refuse cgroup v1, which many machines still mount."""
COREDNS_VERSION = "v1.12.4"
HELM4_VERSION = "v4.3.1"
GATEWAY_API_VERSION = "v1.5.0"
PROMETHEUS_VERSION = "v0.315.0"
"""Of its Go module: the server is 3.15."""
PROMETHEUS_OPERATOR_VERSION = "v0.89.0"

HARNESS = Path(__file__).parent.parent
REPOSITORY = HARNESS.parent.parent

COMPONENTS = ("intake", "worker", "retry", "operator", "campaign")
"""What runs in a cluster, an image each."""

BRIDGE = "fogbell0"
GATEWAY = "10.244.0.1"
"""The bridge's address, and so the node's: pods and this machine reach it, nothing else does."""
POD_NETWORK = "10.244.0.0/16"
SERVICE_NETWORK = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"
API_PORT = 6443
NODE = "fogbell"
INGRESS = "127.0.0.1:8000"
"""Where the ingress controller listens."""


def foreign_kubeconfig() -> Path | None:
    """How a cluster that is not of the harness is reached, where one is named."""
    named = os.environ.get("FOGBELL_KUBECONFIG")
    return Path(named) if named else None


@dataclass(frozen=True, slots=True)
class State:
    """The folder of a running cluster; removed with it."""

    root: Path = Path("/var/tmp/fogbell-cluster")

    @property
    def certificates(self) -> Path:
        """The authority and what it has signed."""
        return self.root / "pki"

    @property
    def logs(self) -> Path:
        """One file for each process."""
        return self.root / "logs"

    @property
    def processes(self) -> Path:
        """One file for each process that was started: how to tell it again."""
        return self.root / "processes"

    @property
    def kubeconfig(self) -> Path:
        """An administrator's."""
        return self.root / "kubeconfig"

    @property
    def containerd_socket(self) -> Path:
        """Where the kubelet and `ctr` find containerd."""
        return self.root / "containerd.sock"

    @property
    def api_url(self) -> str:
        """Where the API server is."""
        return f"https://{GATEWAY}:{API_PORT}"
