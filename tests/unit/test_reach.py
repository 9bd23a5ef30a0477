"""How network policies are evaluated for tests."""

from tests.chart.reach import Place, reaches

POLICY = {
    "metadata": {"namespace": "there"},
    "spec": {
        "podSelector": {},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"podSelector": {}}], "ports": [{"port": 80, "protocol": "TCP"}]}],
    },
}
TARGET = Place(namespace="there")


def test_a_peer_without_a_namespace_is_of_the_policys_own() -> None:
    assert reaches([POLICY], Place(namespace="there"), TARGET, 80)
    assert not reaches([POLICY], Place(namespace="elsewhere"), TARGET, 80)


def test_a_policy_is_nothing_to_pods_of_another_namespace() -> None:
    assert reaches([POLICY], Place(namespace="there"), Place(namespace="elsewhere"), 80)
