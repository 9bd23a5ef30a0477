"""The one node: containerd, the kubelet, kube-proxy and the cluster's DNS."""

import json
from pathlib import Path

from tests.cluster.harness.certificates import Certificates
from tests.cluster.harness.network import CNI_PLUGINS
from tests.cluster.harness.places import GATEWAY, NODE, POD_NETWORK, State
from tests.cluster.harness.running import Processes, wait_for
from tests.cluster.harness.tools import Tools
from tests.support.commands import ToolError

PAUSE_IMAGE = "localhost/fogbell-pause:1"
DNS_DOMAIN = "cluster.local"


def start_runtime(state: State, processes: Processes) -> None:
    """Start containerd, with a root, a state and a socket of its own."""
    config = state.root / "containerd.toml"
    config.write_text(_containerd(state))
    processes.start("containerd", ["containerd", "--config", config])
    wait_for("containerd's socket", lambda: _listening(state, processes), 30)


def start(state: State, tools: Tools, processes: Processes) -> None:
    """Start the kubelet, kube-proxy and DNS."""
    kubelet = state.root / "kubelet.yaml"
    kubelet.write_text(json.dumps(_kubelet(state), indent=1))
    processes.start(
        "kubelet",
        [
            tools.kubernetes / "kubelet",
            f"--config={kubelet}",
            f"--kubeconfig={state.kubeconfig}",
            f"--hostname-override={NODE}",
            f"--node-ip={GATEWAY}",
            f"--root-dir={state.root / 'kubelet'}",
            f"--cert-dir={state.root / 'kubelet-pki'}",
        ],
    )
    proxy = state.root / "proxy.yaml"
    proxy.write_text(json.dumps(_proxy(state), indent=1))
    processes.start("proxy", [tools.kubernetes / "kube-proxy", f"--config={proxy}"])
    corefile = state.root / "Corefile"
    corefile.write_text(_corefile(state))
    processes.start("dns", [tools.coredns, "-conf", corefile])


def _listening(state: State, processes: Processes) -> bool:
    if not processes.alive("containerd"):
        raise ToolError(f"containerd has ended:\n{processes.tail('containerd')}")
    return state.containerd_socket.exists()


def _containerd(state: State) -> str:
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    # Without restrict_oom_score_adj runc fails where CAP_SYS_RESOURCE is missing.
    return f"""version = 2
root = "{state.root / "containerd"}"
state = "{state.root / "containerd-state"}"
[grpc]
  address = "{state.containerd_socket}"
[{cri}]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
[{cri}.cni]
  bin_dir = "{CNI_PLUGINS}"
  conf_dir = "{cni(state)}"
"""


def cni(state: State) -> Path:
    """Where containerd reads of the pods' network."""
    return state.root / "cni"


def _kubelet(state: State) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": GATEWAY,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(Certificates(state.certificates).file("ca.crt"))},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{state.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "makeIPTablesUtilChains": False,
        "clusterDNS": [GATEWAY],
        "clusterDomain": DNS_DOMAIN,
        "podLogsDir": str(state.root / "pod-logs"),
        "maxPods": 100,
        # The machine's disk and memory are its owner's business, not the test's.
        "evictionHard": {
            "memory.available": "1Mi",
            "nodefs.available": "1Mi",
            "imagefs.available": "1Mi",
            "nodefs.inodesFree": "1",
            "imagefs.inodesFree": "1",
        },
        "imageGCHighThresholdPercent": 100,
        "shutdownGracePeriod": "0s",
        "registerNode": True,
    }


def _proxy(state: State) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": str(state.kubeconfig)},
        "clusterCIDR": POD_NETWORK,
        "hostnameOverride": NODE,
        "bindAddress": GATEWAY,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "conntrack": {"maxPerCore": 0},
        # Pods share a bridge: an answer that did not pass the node would come from a stranger.
        "nftables": {"masqueradeAll": True},
    }


def _corefile(state: State) -> str:
    return f"""{DNS_DOMAIN}:53 in-addr.arpa:53 {{
    bind {GATEWAY}
    errors
    kubernetes {DNS_DOMAIN} in-addr.arpa {{
        kubeconfig {state.kubeconfig} fogbell
        pods insecure
        ttl 5
    }}
}}
.:53 {{
    bind {GATEWAY}
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
"""
