"""Every metric that Fogbell serves, read from the components' own registries."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector

from fogbell.telemetry.health import add_process
from fogbell_campaign.metrics import CampaignMetrics
from fogbell_intake.metrics import IntakeMetrics
from fogbell_operator.metrics import OperatorMetrics
from fogbell_retry.metrics import RetryMetrics
from fogbell_worker.metrics import WorkerMetrics

LABELS: Final = {
    "campaign": "a Campaign's name: as many as there are Campaigns in the namespace",
    "channel": "one of six",
    "code": "an HTTP status, or `none`",
    "command": "a command of MongoDB's that Fogbell uses, or `other`",
    "component": "one of five",
    "connection": "what a connection is for: a queue's name, `publisher`, `listener`",
    "event": "one of two",
    "lane": "one of two",
    "method": "one of HTTP's, or `other`",
    "namespace": "a Kubernetes namespace that Campaigns are watched in",
    "outcome": "a word of a few, named beside the metric",
    "provider": "a name from the settings, or `none`",
    "queue": "one of twelve: a channel and a lane, `expansion`, `dead`",
    "reason": "a word of a few, named beside the metric",
    "route": "a path of the route table, or `unmatched`",
    "status": "where a delivery stands",
    "version": "Fogbell's",
}
"""Every label, and why the number of its values has an end."""


@dataclass(frozen=True, slots=True, order=True)
class Metric:
    """One metric as Prometheus knows it; ``components`` serve it, in alphabetical order."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str
    components: tuple[str, ...] = ()


def registries() -> dict[str, CollectorRegistry]:
    """What each component's process serves, by component."""
    found = {
        "campaign": CampaignMetrics().registry,
        "intake": IntakeMetrics().registry,
        "operator": OperatorMetrics().registry,
        "retry": RetryMetrics().registry,
        "worker": WorkerMetrics().registry,
    }
    for component, registry in found.items():
        add_process(registry, component)
    return found


@cache
def metrics() -> tuple[Metric, ...]:
    """All of Fogbell's own, by name; those of the process (``process_*``) are the library's."""
    components: dict[Metric, list[str]] = defaultdict(list)
    for component, registry in registries().items():
        for metric in _described(registry):
            components[metric].append(component)
    listed = (
        replace(metric, components=tuple(sorted(names))) for metric, names in components.items()
    )
    return tuple(sorted(listed))


def _described(registry: CollectorRegistry) -> Iterator[Metric]:
    # Before it has a sample a family shows no labels, and a registry never its collectors.
    for collector in vars(registry)["_collector_to_names"]:
        if isinstance(collector, ProcessCollector):
            continue
        for family in collector.describe():
            labels = {**vars(collector), **vars(family)}["_labelnames"]
            name = f"{family.name}_total" if family.type == "counter" else family.name
            yield Metric(name, family.type, tuple(labels), family.documentation)
