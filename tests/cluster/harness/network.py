"""The bridge that pods hang on, and what is left of it all when a cluster is taken down."""

import json
import subprocess
from pathlib import Path

from tests.cluster.harness.places import BRIDGE, GATEWAY, POD_NETWORK
from tests.support.commands import run

CNI_PLUGINS = Path("/usr/lib/cni")
BRIDGE_MAC = "0a:58:0a:f4:00:01"
_NFT_TABLES = (("ip", "kube-proxy"), ("ip6", "kube-proxy"))


def set_up(cni: Path) -> None:
    """Make the bridge, which is also the node's address, and tell containerd to use it.

    It has to be there before the first pod: the API server listens on it.
    """
    if not _there(BRIDGE):
        # Else it takes the lowest address of its ports, another as pods come and go, and those
        # that have learnt the one before speak to nobody for a while.
        run("ip", "link", "add", BRIDGE, "address", BRIDGE_MAC, "type", "bridge")
        run("ip", "address", "add", f"{GATEWAY}/16", "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    cni.mkdir(parents=True, exist_ok=True)
    (cni / "10-fogbell.conflist").write_text(json.dumps(_plugins(cni), indent=1))


def take_down() -> None:
    """Remove the bridge, the namespaces of pods that are gone, and kube-proxy's rules."""
    if _there(BRIDGE):
        run("ip", "link", "delete", BRIDGE)
    for family, table in _NFT_TABLES:
        # nft has no "delete if it is there" before 1.0.7; to add it first is the usual way.
        run("nft", "-f", "-", stdin=f"add table {family} {table}\ndelete table {family} {table}\n")


def _there(link: str) -> bool:
    return not subprocess.run(
        ["ip", "link", "show", link], capture_output=True, check=False
    ).returncode


def _plugins(cni: Path) -> dict[str, object]:
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": str(cni / "addresses"),
            "ranges": [[{"subnet": POD_NETWORK, "rangeStart": "10.244.1.1"}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    return {"cniVersion": "0.4.0", "name": "fogbell", "plugins": [bridge]}
