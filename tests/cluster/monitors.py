"""PodMonitors and ServiceMonitors as the Prometheus operator turns them into scrape configurations.

After its `pkg/prometheus/promcfg.go`, and no more of it than this chart uses: a field that is not
known here is refused, not passed over. Pure.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.kube import Object

Rule = dict[str, Any]
"""One of Prometheus' ``relabel_configs``."""


@dataclass(frozen=True, slots=True)
class Discovery:
    """What one kind of monitor is to Prometheus.

    ``role`` is that of its discovery, ``selected`` what labels select, ``port`` the meta label that
    has a port's name, ``endpoints`` the field of its spec.
    """

    job: str
    role: str
    selected: str
    port: str
    endpoints: str


DISCOVERIES = {
    "PodMonitor": Discovery(
        "podMonitor", "pod", "pod", "pod_container_port_name", "podMetricsEndpoints"
    ),
    "ServiceMonitor": Discovery(
        "serviceMonitor", "endpointslice", "service", "endpointslice_port_name", "endpoints"
    ),
}


def scrapes(monitor: Object, kubeconfig: Path) -> list[Object]:
    """A scrape configuration for each endpoint of a live ``monitor``.

    Prometheus asks the API server as ``kubeconfig`` says. Raises ValueError for what is not known.
    """
    metadata, discovery = monitor["metadata"], DISCOVERIES[monitor["kind"]]
    spec = known(monitor["spec"], "selector", discovery.endpoints)
    place = f"{discovery.job}/{metadata['namespace']}/{metadata['name']}"
    found = {
        "role": discovery.role,
        "kubeconfig_file": str(kubeconfig),
        "namespaces": {"names": [metadata["namespace"]]},
    }
    return [
        {
            "job_name": f"{place}/{number}",
            "scrape_interval": endpoint["interval"],
            "kubernetes_sd_configs": [found],
            "relabel_configs": list(_relabelings(monitor, discovery, endpoint)),
        }
        for number, endpoint in enumerate(spec[discovery.endpoints])
    ]


def selection(selector: Object) -> str:
    """A LabelSelector as the API server takes it in a query."""
    equal = (f"{key}={value}" for key, value in selector.get("matchLabels", {}).items())
    return ",".join((*equal, *map(_expression, selector.get("matchExpressions", ()))))


def _expression(expression: Object) -> str:
    match expression:
        case {"key": key, "operator": "In" | "NotIn" as operator, "values": values}:
            return f"{key} {operator.lower()} ({','.join(values)})"
        case {"key": key, "operator": "Exists" | "DoesNotExist" as operator}:
            return key if operator == "Exists" else f"!{key}"
    raise ValueError(f"expected an expression of a LabelSelector, got {expression}")


def known(document: Object, *fields: str) -> Object:
    """``document``. Raises ValueError where it has other ``fields``."""
    if set(document) - set(fields):
        raise ValueError(f"expected no field but {', '.join(fields)}, got {document}")
    return document


def _relabelings(monitor: Object, discovery: Discovery, endpoint: Object) -> Iterator[Rule]:
    known(endpoint, "port", "interval", "relabelings")
    yield {"source_labels": ["job"], "target_label": "__tmp_prometheus_job_name"}
    yield _filter("drop", ["pod_phase"], "(Failed|Succeeded)")
    yield from _selected(monitor["spec"]["selector"], discovery.selected)
    yield _filter("keep", [discovery.port], endpoint["port"])
    yield _copied("namespace", "namespace")
    yield _copied("pod_container_name", "container")
    yield _copied("pod_name", "pod")
    yield from _job(monitor["metadata"], discovery)
    yield {"target_label": "endpoint", "replacement": endpoint["port"]}
    yield from map(_snake_cased, endpoint.get("relabelings", ()))


def _job(metadata: Object, discovery: Discovery) -> Iterator[Rule]:
    if discovery.selected == "service":
        yield _copied("service_name", "service")
        yield _copied("service_name", "job")
    else:
        yield {
            "target_label": "job",
            "replacement": f"{metadata['namespace']}/{metadata['name']}",
        }


def _selected(selector: Object, what: str) -> Iterator[Rule]:
    """What a LabelSelector picks: as targets have labels for the labels of pods or services."""
    for key, value in sorted(selector.get("matchLabels", {}).items()):
        yield _filter("keep", _label(what, key), f"({value});true")
    for expression in selector.get("matchExpressions", ()):
        value, present = _label(what, expression["key"])
        one_of = f"({'|'.join(expression.get('values', ()))});true"
        match expression["operator"]:
            case "In":
                yield _filter("keep", [value, present], one_of)
            case "NotIn":
                yield _filter("drop", [value, present], one_of)
            case "Exists":
                yield _filter("keep", [present], "true")
            case "DoesNotExist":
                yield _filter("drop", [present], "true")
            case other:
                raise ValueError(f"expected an operator of a LabelSelector, got {other}")


def _label(what: str, key: str) -> list[str]:
    """The meta labels that have a label's value, and whether it is there."""
    name = re.sub(r"[^a-zA-Z0-9_]", "_", key)
    return [f"{what}_label_{name}", f"{what}_labelpresent_{name}"]


def _filter(action: str, sources: list[str], regex: str) -> Rule:
    return {"action": action, "source_labels": [_meta(s) for s in sources], "regex": regex}


def _copied(source: str, target: str) -> Rule:
    return {"source_labels": [_meta(source)], "target_label": target}


def _meta(name: str) -> str:
    return f"__meta_kubernetes_{name}"


def _snake_cased(relabeling: Object) -> Rule:
    """A relabeling of a monitor's as Prometheus writes it: ``sourceLabels``, ``source_labels``."""
    return {re.sub("[A-Z]", lambda c: f"_{c[0].lower()}", k): v for k, v in relabeling.items()}
