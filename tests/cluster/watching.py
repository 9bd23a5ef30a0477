"""A Prometheus of this machine that finds and scrapes pods as Fogbell's monitors have it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.accounts import granted
from tests.cluster.harness import tools
from tests.cluster.installation import RELEASE
from tests.cluster.kube import Kube, Object, names, wait_until
from tests.cluster.monitors import scrapes, selection
from tests.support.prometheus import Sample, Watch
from tests.support.watching import Witness

FACTOR = 30
"""Every duration of alerts and panels is so many times as short: minutes are two seconds."""

MONITORED = (
    "--set=metrics.podMonitor.enabled=true,metrics.podMonitor.interval=1s",
    "--set=metrics.serviceMonitor.enabled=true,metrics.serviceMonitor.interval=1s",
    "--set=metrics.rules.enabled=true,metrics.dashboards.enabled=true",
    # Its resyncs, of which an alert asks that there be some, have to keep step with the factor.
    "--set=operator.settings.FOGBELL_OPERATOR__RESYNC_SECONDS=1",
    "--set=operator.settings.FOGBELL_OPERATOR__STALE_SECONDS=10",
)
"""Flags of helm's."""

FINDS: list[Object] = [
    {"apiGroups": [""], "resources": ["pods", "services"], "verbs": ["list", "watch"]},
    {
        "apiGroups": ["discovery.k8s.io"],
        "resources": ["endpointslices"],
        "verbs": ["list", "watch"],
    },
]
"""What a Prometheus has to be allowed, and no more."""

SCRAPED = {"intake", "worker", "retry", "operator", "campaign"}


def here(kube: Kube) -> dict[str, str]:
    """The labels that the installation of ``kube``'s namespace has."""
    return {"namespace": kube.namespace, "release": RELEASE}


def monitors(kube: Kube) -> list[Object]:
    """The live monitors."""
    return [*kube.find("podmonitors"), *kube.find("servicemonitors")]


def watch(kube: Kube, directory: Path, document: Mapping[str, Any]) -> Watch:
    """Prometheus, which finds what the live monitors select, with the rules of ``document``.

    It may list and watch what it has to find in that namespace, and nothing else.
    """
    kubeconfig = granted(kube, "prometheus", FINDS, directory)
    found = [scrape for monitor in monitors(kube) for scrape in scrapes(monitor, kubeconfig)]
    return Watch(directory / "watch", document, found, program=tools.prometheus())


@dataclass(frozen=True, slots=True)
class Moment:
    """All that is to be scraped, while it lives at once.

    ``selected`` are the pods that the API server finds by each monitor's selectors, by its kind;
    ``up`` is what Prometheus has scraped of them.
    """

    pods: list[Object]
    selected: dict[str, list[str]]
    up: list[Sample]

    def of(self, *components: str) -> list[Object]:
        """The pods of ``components``."""
        label = "app.kubernetes.io/component"
        return [pod for pod in self.pods if pod["metadata"]["labels"].get(label) in components]


def moment(kube: Kube, watching: Watch) -> Moment | None:
    """Now; None where pods have come or gone meanwhile, or where a component is not scraped."""
    before = kube.find("pods")
    selected = {monitor["kind"]: _selected(kube, monitor) for monitor in monitors(kube)}
    up = watching.query("up == 1")
    if names(before) != names(kube.find("pods")):
        return None
    whole = {sample.labels["component"] for sample in up} == SCRAPED
    return Moment(before, selected, up) if whole else None


def _selected(kube: Kube, monitor: Object) -> list[str]:
    """The pods that a monitor selects: by their labels, or by their Service's."""
    found = selection(monitor["spec"]["selector"])
    if monitor["kind"] == "PodMonitor":
        return names(kube.find("pods", found))
    return [
        pod
        for service in kube.find("services", found)
        for pod in names(kube.find("pods", selection({"matchLabels": service["spec"]["selector"]})))
    ]


@dataclass(frozen=True, slots=True)
class Bell:
    """What rings. With each look panels are looked at as well."""

    witness: Witness

    def until_rings(self, alert: str, campaign: str = "", seconds: float = 90) -> None:
        """Wait until ``alert`` has reached Alertmanager, for that Campaign if one is named."""
        wait_until(
            f"{alert} {campaign}", lambda: self._rings(alert, campaign), seconds, self._state
        )

    def until_silent(self, alert: str, campaign: str = "", seconds: float = 90) -> None:
        """Wait until it does not ring, or does not any more."""
        what = f"the end of {alert} {campaign}"
        wait_until(what, lambda: not self._rings(alert, campaign), seconds, self._state)

    def _rings(self, alert: str, campaign: str) -> bool:
        self.witness.look()
        return self.witness.rings(alert, **({"campaign": campaign} if campaign else {}))

    def _state(self) -> str:
        watch = self.witness.watch
        campaigns = watch.query('{__name__=~"fogbell_(campaign|operator)_.+"}')
        return f"{watch.ringing()}\n{campaigns}"
