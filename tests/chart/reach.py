"""NetworkPolicies evaluated: who reaches whom. As the API's documentation says, and no more of it
than this chart uses: no ranges of ports, no named ports, no match expressions.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from tests.chart.rendering import NAMESPACE, Object

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """A pod by its labels and its namespace's name, or an address outside."""

    labels: Labels = field(default_factory=dict)
    namespace: str = NAMESPACE
    address: str | None = None


def reaches(
    policies: Iterable[Object], source: Place, target: Place, port: int, protocol: str = "TCP"
) -> bool:
    """Whether ``source`` may leave for ``target`` and ``target`` may let it in."""
    found = list(policies)
    leaves = _allowed(found, "Egress", source, target, port, protocol)
    return leaves and _allowed(found, "Ingress", target, source, port, protocol)


def _allowed(
    policies: list[Object], side: str, here: Place, there: Place, port: int, protocol: str
) -> bool:
    """By the policies of ``here`` for ``side``; all is allowed where there is none."""
    ours = [p["spec"] for p in policies if side in p["spec"]["policyTypes"] and _selects(p, here)]
    if not ours:
        return True
    peers = "to" if side == "Egress" else "from"
    rules = [rule for spec in ours for rule in spec.get(side.lower(), ())]
    return any(_matches(rule, peers, here, there, port, protocol) for rule in rules)


def _selects(policy: Object, place: Place) -> bool:
    if place.address is not None or policy["metadata"]["namespace"] != place.namespace:
        return False
    return _labels_match(policy["spec"]["podSelector"], place.labels)


def _matches(rule: Object, peers: str, here: Place, there: Place, port: int, protocol: str) -> bool:
    ports = [(p["port"], p["protocol"]) for p in rule.get("ports", ())]
    if ports and (port, protocol) not in ports:
        return False
    return not rule.get(peers) or any(_is_peer(peer, here, there) for peer in rule[peers])


def _is_peer(peer: Object, here: Place, place: Place) -> bool:
    """Whether ``peer``, of a policy of ``here``'s namespace, is ``place``."""
    if "ipBlock" in peer:
        return place.address is not None and _within(peer["ipBlock"], place.address)
    if place.address is not None:
        return False
    if "namespaceSelector" in peer:
        names = {"kubernetes.io/metadata.name": place.namespace}
        if not _labels_match(peer["namespaceSelector"], names):
            return False
    elif place.namespace != here.namespace:
        return False
    return _labels_match(peer.get("podSelector", {}), place.labels)


def _within(block: Mapping[str, Any], address: str) -> bool:
    ip = ip_address(address)
    inside = ip in ip_network(block["cidr"])
    return inside and not any(ip in ip_network(network) for network in block.get("except", ()))


def _labels_match(selector: Mapping[str, Any], labels: Labels) -> bool:
    assert set(selector) <= {"matchLabels"}, selector
    wanted: Labels = selector.get("matchLabels", {})
    return all(labels.get(key) == value for key, value in wanted.items())
