"""Each component reaches what it needs and nothing else."""

import pytest
from tests.chart.reach import Place, reaches
from tests.chart.rendering import Rendering, render, values_files

OUTSIDE = {
    "dns": (Place({"k8s-app": "kube-dns"}, "kube-system"), 53, "UDP"),
    "kubernetes": (Place(address="192.0.2.65"), 6443, "TCP"),
    "mongodb": (Place(address="192.0.2.1"), 27017, "TCP"),
    "rabbitmq": (Place(address="192.0.2.17"), 5671, "TCP"),
    "relay": (Place(address="192.0.2.33"), 587, "TCP"),
    "another relay": (Place(address="198.51.100.9"), 587, "TCP"),
    "the web": (Place(address="203.0.113.9"), 443, "TCP"),
    "the web, IPv6": (Place(address="2001:db8::9"), 443, "TCP"),
    "the web, plain": (Place(address="203.0.113.9"), 80, "TCP"),
    "a private web server": (Place(address="10.0.0.9"), 443, "TCP"),
    "collector": (Place(namespace="observability"), 4318, "TCP"),
    "the cloud's metadata": (Place(address="169.254.169.254"), 80, "TCP"),
}
"""As production.yaml and external.yaml have it."""

SERVERS = {"dns", "mongodb", "rabbitmq"}
TRACED = SERVERS | {"collector"}
WEB = {"the web", "the web, IPv6"}
PORTS = {"intake": 8080, "mongodb": 27017, "rabbitmq": 5672, "mail": 2525}


def place_of(rendering: Rendering, name: str) -> Place:
    """The pod of that name or, where only one has it, that component."""
    (pod,) = [pod for pod in rendering.pods if name in (pod.name, pod.component)]
    labels = dict(pod.labels)
    if pod.component == "campaign":
        labels["app.kubernetes.io/managed-by"] = "fogbell-operator"  # as the operator has it
    return Place(labels)


def reached(rendering: Rendering, name: str) -> set[str]:
    """What a pod reaches of `OUTSIDE` and of its release's own ports, but for metrics."""
    policies = rendering.of("NetworkPolicy").values()
    source = place_of(rendering, name)
    found = {
        k
        for k, (to, port, protocol) in OUTSIDE.items()
        if reaches(policies, source, to, port, protocol)
    }
    for pod in rendering.pods:
        port = PORTS.get(pod.component)
        if port and reaches(policies, source, Place(pod.labels), port):
            found.add(pod.component)
    return found


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("intake", TRACED),
        ("retry", TRACED),
        ("campaign", TRACED),
        ("operator", SERVERS | {"kubernetes"}),
        ("notify-worker-email-now", TRACED | {"relay"}),
        ("notify-worker-email-bulk", TRACED | {"relay"}),
        ("notify-worker-others", TRACED | WEB),
        ("test", {"dns", "intake"}),
    ],
)
def test_each_component_reaches_what_it_needs_and_nothing_else(
    name: str, expected: set[str]
) -> None:
    assert reached(render("production", *NAMED_SERVERS), name) == expected


NAMED_SERVERS = (
    "networkPolicy.mongodb.to[0].ipBlock.cidr=192.0.2.0/28",
    "networkPolicy.rabbitmq.to[0].ipBlock.cidr=192.0.2.16/28",
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("intake", SERVERS),
        ("retry", SERVERS),
        ("campaign", SERVERS),
        ("worker", SERVERS | WEB | {"mail"}),
        ("test", {"dns", "intake"}),
        ("mongodb", {"dns", "mongodb"}),
        ("replica-set", {"dns", "mongodb"}),
        ("rabbitmq", set()),
        ("mail", set()),
    ],
)
def test_with_trial_servers_no_other_is_reached(name: str, expected: set[str]) -> None:
    assert reached(render("dev"), name) == expected


@pytest.mark.parametrize("values", values_files())
def test_every_pod_is_under_a_policy_that_denies_first(values: str) -> None:
    rendering = render(values)
    (deny,) = [n for name, n in rendering.of("NetworkPolicy").items() if name.endswith("-deny")]
    assert set(deny["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    assert not {"ingress", "egress"} & set(deny["spec"])
    selected = deny["spec"]["podSelector"]["matchLabels"].items()
    for pod in rendering.pods:
        assert selected <= pod.labels.items(), pod.name


def test_intake_is_open_to_its_proxy_and_metrics_to_prometheus() -> None:
    rendering = render("production")
    policies = rendering.of("NetworkPolicy").values()
    proxy, prometheus = Place(namespace="traefik"), Place(namespace="monitoring")
    stranger = Place(namespace="default")
    intake, worker = place_of(rendering, "intake"), place_of(rendering, "notify-worker-others")
    assert [reaches(policies, who, intake, 8080) for who in (proxy, prometheus, stranger)] == [
        True,
        False,
        False,
    ]
    for pod in intake, worker, place_of(rendering, "retry"), place_of(rendering, "operator"):
        assert [reaches(policies, who, pod, 9090) for who in (proxy, prometheus, stranger)] == [
            False,
            True,
            False,
        ]


def test_nobody_from_outside_reaches_the_trial_servers() -> None:
    rendering = render("dev")
    policies = rendering.of("NetworkPolicy").values()
    for component, port in ("mongodb", 27017), ("rabbitmq", 5672), ("mail", 2525):
        target = place_of(rendering, component)
        for who in Place(), Place(namespace="default"), Place(address="203.0.113.9"):
            assert not reaches(policies, who, target, port)


def test_policies_can_be_left_out() -> None:
    assert not render("minimal", "networkPolicy.enabled=false").of("NetworkPolicy")
