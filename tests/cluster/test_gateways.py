"""Ways in: an Ingress and an HTTPRoute, behind a real ingress controller."""

import http.client
import json
from collections.abc import Iterator

import pytest
from tests.cluster.campaigns import name
from tests.cluster.harness.cluster import Cluster
from tests.cluster.harness.places import INGRESS
from tests.cluster.installation import Installation
from tests.cluster.kube import Kube, Object, wait_until

CLASS = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "IngressClass",
    "metadata": {"name": "traefik"},
    "spec": {"controller": "traefik.io/ingress-controller"},
}
GATEWAY_CLASS = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "GatewayClass",
    "metadata": {"name": "traefik"},
    "spec": {"controllerName": "traefik.io/gateway-controller"},
}
GATEWAY = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "Gateway",
    "metadata": {"name": "web"},
    "spec": {
        "gatewayClassName": "traefik",
        # Its port is that of Traefik's entry point, or Traefik leaves the listener alone.
        "listeners": [{"name": "web", "protocol": "HTTP", "port": int(INGRESS.rpartition(":")[2])}],
    },
}


@pytest.fixture(scope="module", autouse=True)
def _traefik(own_cluster: Cluster | None, admin: Kube) -> Iterator[None]:
    if own_cluster is None:
        pytest.skip("the ingress controller is one of the processes of the harness's own cluster")
    own_cluster.start_ingress()
    admin.apply(CLASS, GATEWAY_CLASS)
    yield
    admin.delete("ingressclass", "traefik")
    admin.delete("gatewayclass", "traefik")


def test_a_mail_posted_through_the_ingress_arrives(installation: Installation) -> None:
    mine = name()
    installation.upgrade(
        "--set=intake.ingress.enabled=true,intake.ingress.className=traefik",
        f"--set=intake.ingress.hosts={{{mine}.example.org}}",
    )
    post_until_it_arrives(installation, mine)


def test_a_mail_posted_through_a_route_of_the_gateway_api_arrives(
    installation: Installation,
) -> None:
    mine = name()
    installation.kube.apply(GATEWAY)
    installation.upgrade(
        "--set=intake.httpRoute.enabled=true,intake.httpRoute.parentRefs[0].name=web",
        f"--set=intake.httpRoute.hostnames={{{mine}.example.org}}",
    )
    post_until_it_arrives(installation, mine)
    (route,) = installation.kube.find("httproutes")
    (parent,) = route["status"]["parents"]
    said = {c["type"]: c["status"] for c in parent["conditions"]}
    assert said["Accepted"] == said["ResolvedRefs"] == "True"


def post_until_it_arrives(installation: Installation, group: str) -> None:
    """Post one mail to the host that is named after ``group``, and see it in the sink."""
    body = {
        "audience": {"addresses": [{"email": f"{group}-0@example.org"}]},
        "channels": ["email"],
        "content": {"email": {"subject": "Hello", "text": "Through the door."}},
    }
    status, answer = wait_until(
        "an answer of intake's",
        lambda: _post(f"{group}.example.org", installation.key(), body),
        60,
    )
    assert status == 202, answer
    installation.until_mails(group, 1)


def _post(host: str, key: str, body: Object) -> tuple[int, str] | None:
    """The answer of intake; None while the controller knows no way to it."""
    connection = http.client.HTTPConnection(INGRESS, timeout=10)
    headers = {
        "Host": host,
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/json",
        "Idempotency-Key": host,
    }
    try:
        connection.request("POST", "/v1/notifications", json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read().decode()
    except OSError:
        return None
    finally:
        connection.close()
    return None if answer.status in (404, 502, 503) else (answer.status, text)
