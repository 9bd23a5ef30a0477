"""Starting a cluster, and taking it down to the last mount."""

import json
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.harness import control_plane, network, node
from tests.cluster.harness.certificates import Certificates
from tests.cluster.harness.images import Images
from tests.cluster.harness.places import INGRESS, NODE, State
from tests.cluster.harness.resources import wait_established
from tests.cluster.harness.running import Processes, Running, say, wait_for
from tests.cluster.harness.tools import Tools, gateway_api, provide
from tests.support.commands import ToolError, run

_ORDER = (
    "ingress",
    "dns",
    "proxy",
    "kubelet",
    "scheduler",
    "controllers",
    "containerd",
    "api",
    "etcd",
)
"""In which processes are ended: those that use others first."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster of one node on this machine."""

    tools: Tools
    state: State = field(default_factory=State)

    @property
    def processes(self) -> Processes:
        """Everything that was started."""
        return Processes(self.state.processes, self.state.logs)

    @property
    def images(self) -> Images:
        """What pods can be made of."""
        return Images(self.state)

    @property
    def running(self) -> bool:
        """Whether the API server of this cluster runs."""
        return self.processes.alive("api")

    def kubectl(self, *arguments: str | Path, stdin: str | None = None) -> str:
        """Run kubectl as an administrator."""
        config = f"--kubeconfig={self.state.kubeconfig}"
        return run(self.tools.kubectl, config, *arguments, stdin=stdin)

    def start(self) -> None:
        """Start everything; return once the node is ready. A half-started one is taken down."""
        began = time.monotonic()
        if self.state.root.exists():
            say("taking down what is left of a cluster that was not stopped")
            self.stop()
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        say(f"ready after {time.monotonic() - began:.0f} s")

    def _start(self) -> None:
        self.state.root.mkdir(parents=True, mode=0o700)
        Certificates(self.state.certificates).make()
        network.set_up(node.cni(self.state))
        node.start_runtime(self.state, self.processes)
        self.images.load_pause()
        control_plane.start(self.state, self.tools, self.processes)
        node.start(self.state, self.tools, self.processes)
        wait_for("a ready node", self._node_ready, 90)

    def start_ingress(self) -> None:
        """Start Traefik as a process of this machine, in front of Ingress and HTTPRoute."""
        if self.processes.alive("ingress"):
            return
        # First: Traefik looks for these resources once, when it starts.
        self.kubectl("apply", "--server-side", f"--filename={gateway_api()}")
        wait_established(self.kubectl)
        providers = "kubernetesingress", "kubernetesgateway"
        flags = [f"--providers.{provider}=true" for provider in providers]
        self.processes.start(
            "ingress",
            [
                self.tools.traefik,
                *flags,
                f"--entrypoints.web.address={INGRESS}",
                "--log.level=INFO",
                "--global.checknewversion=false",
                "--global.sendanonymoususage=false",
            ],
            env={"KUBECONFIG": str(self.state.kubeconfig)},
        )
        wait_for("Traefik on its port", self._ingress_listens, 60)

    def _ingress_listens(self) -> bool:
        if not self.processes.alive("ingress"):
            raise ToolError(f"Traefik has ended:\n{self.processes.tail('ingress')}")
        host, _, port = INGRESS.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            return False
        return True

    def _node_ready(self) -> bool:
        for name in ("kubelet", "proxy", "dns", "controllers", "scheduler"):
            if not self.processes.alive(name):
                raise ToolError(f"{name} has ended:\n{self.processes.tail(name)}")
        try:
            found = json.loads(self.kubectl("get", "node", NODE, "--output=json"))
        except ToolError:
            return False
        conditions = {c["type"]: c["status"] for c in found["status"]["conditions"]}
        return conditions.get("Ready") == "True"

    def stop(self) -> None:
        """Take everything down, in order, whatever state it is in."""
        if self.running:
            self._delete_pods()
        for name in _ORDER:
            self.processes.end(name)
        _end_shims(self.state)
        _unmount_below(self.state.root)
        network.take_down()
        shutil.rmtree(self.state.root, ignore_errors=True)

    def _delete_pods(self) -> None:
        """Pods first: a kubelet that is gone leaves their mounts and processes behind."""
        try:
            for kind in ("cronjobs,jobs,deployments,statefulsets,daemonsets,replicasets", "pods"):
                quick = ("--all-namespaces", "--all", "--wait=false", "--grace-period=1")
                self.kubectl("delete", kind, *quick)
            wait_for("the end of all pods", self._no_pods, 60)
        except ToolError as error:
            say(f"some pods are left to be ended by force: {error}")

    def _no_pods(self) -> bool:
        return not self.kubectl("get", "pods", "--all-namespaces", "--output=name").strip()


def _end_shims(state: State) -> None:
    """End what containerd left running; each is told by our socket in its command line."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        ours = str(state.containerd_socket).encode()
        if b"containerd-shim" in words[0] and ours in words:
            for child in (entry / "task" / entry.name / "children").read_text().split():
                Running.of(int(child)).end()
            Running.of(int(entry.name)).end()


def _unmount_below(folder: Path) -> None:
    """Unmount everything below ``folder``, the deepest first."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted((m for m in mounts if m.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", mount], capture_output=True, check=False)


def open_cluster() -> Cluster:
    """This machine's cluster, running or not; its programs are provided."""
    return Cluster(provide())
