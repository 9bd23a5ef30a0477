"""etcd, the API server, the controllers and the scheduler."""

import ssl
import urllib.error
import urllib.request
from pathlib import Path

from tests.cluster.harness.certificates import Certificates
from tests.cluster.harness.places import API_PORT, GATEWAY, SERVICE_NETWORK, State
from tests.cluster.harness.running import Processes, wait_for
from tests.cluster.harness.tools import Tools
from tests.support.commands import ToolError

ETCD = "http://127.0.0.1:16379"
ETCD_PEER = "http://127.0.0.1:16380"


def start(state: State, tools: Tools, processes: Processes) -> None:
    """Start all four; return once the API server is ready."""
    certificates = Certificates(state.certificates)
    processes.start("etcd", etcd_command(tools, state))
    processes.start("api", api_command(tools, certificates))
    _write_kubeconfig(state, certificates)
    wait_for("a ready API server", lambda: _ready(state, certificates, processes), 90)
    common = [f"--kubeconfig={state.kubeconfig}", "--leader-elect=false"]
    processes.start(
        "controllers",
        [
            tools.kubernetes / "kube-controller-manager",
            *common,
            "--bind-address=127.0.0.1",
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={certificates.file('accounts.key')}",
            f"--root-ca-file={certificates.file('ca.crt')}",
        ],
    )
    processes.start(
        "scheduler", [tools.kubernetes / "kube-scheduler", *common, "--bind-address=127.0.0.1"]
    )


def etcd_command(tools: Tools, state: State) -> list[str | Path]:
    """How etcd is started: nothing here outlives a power cut, so it need not sync."""
    return [
        tools.etcd,
        f"--data-dir={state.root / 'etcd'}",
        f"--listen-client-urls={ETCD}",
        f"--advertise-client-urls={ETCD}",
        f"--listen-peer-urls={ETCD_PEER}",
        f"--initial-advertise-peer-urls={ETCD_PEER}",
        f"--initial-cluster=default={ETCD_PEER}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def api_command(tools: Tools, certificates: Certificates) -> list[str | Path]:
    """How the API server is started: on the bridge only."""
    file = certificates.file
    return [
        tools.kubernetes / "kube-apiserver",
        f"--etcd-servers={ETCD}",
        f"--bind-address={GATEWAY}",
        f"--advertise-address={GATEWAY}",
        f"--secure-port={API_PORT}",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged=true",
        # It ends a watch after this many seconds, or later: no test lasts as long.
        "--min-request-timeout=7200",
        f"--token-auth-file={file('tokens.csv')}",
        f"--client-ca-file={file('ca.crt')}",
        f"--tls-cert-file={file('api.crt')}",
        f"--tls-private-key-file={file('api.key')}",
        f"--kubelet-client-certificate={file('kubelet-client.crt')}",
        f"--kubelet-client-key={file('kubelet-client.key')}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-account-key-file={file('accounts.pub')}",
        f"--service-account-signing-key-file={file('accounts.key')}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
    ]


def _write_kubeconfig(state: State, certificates: Certificates) -> None:
    state.kubeconfig.touch(mode=0o600)
    state.kubeconfig.write_text(
        f"""apiVersion: v1
kind: Config
clusters:
  - name: fogbell
    cluster:
      server: {state.api_url}
      certificate-authority: {certificates.file("ca.crt")}
users:
  - name: admin
    user:
      token: {certificates.token}
contexts:
  - name: fogbell
    context:
      cluster: fogbell
      user: admin
current-context: fogbell
"""
    )


def _ready(state: State, certificates: Certificates, processes: Processes) -> bool:
    for name in ("etcd", "api"):
        if not processes.alive(name):
            raise ToolError(f"{name} has ended:\n{processes.tail(name)}")
    request = urllib.request.Request(
        f"{state.api_url}/readyz", headers={"Authorization": f"Bearer {certificates.token}"}
    )
    context = ssl.create_default_context(cafile=str(certificates.file("ca.crt")))
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    try:
        with opener.open(request, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
