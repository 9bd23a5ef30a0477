"""What the Prometheus operator makes of monitors, as the cluster tests have Prometheus scrape."""

from pathlib import Path
from typing import Any

import pytest
from tests.cluster.monitors import scrapes, selection

CONFIG = Path("/config")
META = "__meta_kubernetes_"
RELABELING = {"sourceLabels": ["a"], "targetLabel": "b", "action": "replace"}


def monitor(kind: str, selector: dict[str, Any], **endpoint: Any) -> dict[str, Any]:
    """One with an endpoint."""
    field = "podMetricsEndpoints" if kind == "PodMonitor" else "endpoints"
    return {
        "kind": kind,
        "metadata": {"namespace": "notify", "name": "bell"},
        "spec": {
            "selector": selector,
            field: [{"port": "metrics", "interval": "15s", **endpoint}],
        },
    }


def relabelings(kind: str, selector: dict[str, Any], **endpoint: Any) -> list[dict[str, Any]]:
    """The rules of the only configuration."""
    (scrape,) = scrapes(monitor(kind, selector, **endpoint), CONFIG)
    rules: list[dict[str, Any]] = scrape["relabel_configs"]
    return rules


@pytest.mark.parametrize(
    ("kind", "role", "job"),
    [
        ("PodMonitor", "pod", "podMonitor/notify/bell/0"),
        ("ServiceMonitor", "endpointslice", "serviceMonitor/notify/bell/0"),
    ],
)
def test_a_monitor_is_discovered_in_its_own_namespace_alone(kind: str, role: str, job: str) -> None:
    (scrape,) = scrapes(monitor(kind, {}), CONFIG)
    assert (scrape["job_name"], scrape["scrape_interval"]) == (job, "15s")
    assert scrape["kubernetes_sd_configs"] == [
        {"role": role, "kubeconfig_file": "/config", "namespaces": {"names": ["notify"]}}
    ]


@pytest.mark.parametrize(
    ("selector", "action", "sources", "regex"),
    [
        (
            {"matchLabels": {"a.b/c-d": "x"}},
            "keep",
            ["pod_label_a_b_c_d", "pod_labelpresent_a_b_c_d"],
            "(x);true",
        ),
        (
            {"matchExpressions": [{"key": "a", "operator": "In", "values": ["x", "y"]}]},
            "keep",
            ["pod_label_a", "pod_labelpresent_a"],
            "(x|y);true",
        ),
        (
            {"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["x"]}]},
            "drop",
            ["pod_label_a", "pod_labelpresent_a"],
            "(x);true",
        ),
        (
            {"matchExpressions": [{"key": "a", "operator": "Exists"}]},
            "keep",
            ["pod_labelpresent_a"],
            "true",
        ),
        (
            {"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]},
            "drop",
            ["pod_labelpresent_a"],
            "true",
        ),
    ],
)
def test_a_selector_keeps_and_drops_by_labels(
    selector: dict[str, Any], action: str, sources: list[str], regex: str
) -> None:
    rule = {"action": action, "source_labels": [META + s for s in sources], "regex": regex}
    assert rule in relabelings("PodMonitor", selector)


def test_a_service_monitor_selects_services_and_not_pods() -> None:
    rules = relabelings("ServiceMonitor", {"matchLabels": {"a": "x"}})
    sources = [f"{META}service_label_a", f"{META}service_labelpresent_a"]
    assert {"action": "keep", "source_labels": sources, "regex": "(x);true"} in rules


@pytest.mark.parametrize(
    ("kind", "port"),
    [("PodMonitor", "pod_container_port_name"), ("ServiceMonitor", "endpointslice_port_name")],
)
def test_a_port_is_chosen_by_its_name(kind: str, port: str) -> None:
    rule = {"action": "keep", "source_labels": [META + port], "regex": "metrics"}
    assert rule in relabelings(kind, {})


def test_pods_that_have_ended_are_left_out() -> None:
    phase = {"action": "drop", "source_labels": [f"{META}pod_phase"], "regex": "(Failed|Succeeded)"}
    assert phase in relabelings("PodMonitor", {})
    assert phase in relabelings("ServiceMonitor", {})


def test_a_monitors_own_relabelings_come_last() -> None:
    rules = relabelings("PodMonitor", {}, relabelings=[RELABELING])
    assert rules[-1] == {"source_labels": ["a"], "target_label": "b", "action": "replace"}
    assert [rule.get("target_label") for rule in rules][-5:] == [
        "container",
        "pod",
        "job",
        "endpoint",
        "b",
    ]


def test_what_is_not_known_of_a_monitor_is_refused() -> None:
    with pytest.raises(ValueError, match="expected no field but port, interval, relabelings"):
        scrapes(monitor("PodMonitor", {}, path="/other"), CONFIG)
    wrong = monitor("PodMonitor", {})
    wrong["spec"]["namespaceSelector"] = {"any": True}
    with pytest.raises(ValueError, match="expected no field but selector, podMetricsEndpoints"):
        scrapes(wrong, CONFIG)


def test_a_selector_is_a_query_of_the_api_servers() -> None:
    expressions = [
        {"key": "b", "operator": "In", "values": ["x", "y"]},
        {"key": "c", "operator": "NotIn", "values": ["z"]},
        {"key": "d", "operator": "Exists"},
        {"key": "e", "operator": "DoesNotExist"},
    ]
    found = selection({"matchLabels": {"a": "1"}, "matchExpressions": expressions})
    assert found == "a=1,b in (x,y),c notin (z),d,!e"


def test_an_operator_that_no_selector_has_is_refused() -> None:
    wrong = {"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}]}
    with pytest.raises(ValueError, match="expected an expression of a LabelSelector"):
        selection(wrong)
    with pytest.raises(ValueError, match="expected an operator of a LabelSelector, got Gt"):
        scrapes(monitor("PodMonitor", wrong), CONFIG)
