"""The operator's Role: enough, and not one verb too many."""

from pathlib import Path

import httpx2
import pytest
import yaml
from tests.cluster.accounts import granted
from tests.cluster.harness.places import REPOSITORY
from tests.cluster.installation import helm
from tests.cluster.kube import Kube, Object, condition, wait_until
from tests.cluster.operating import Place, document

from fogbell_local.processes import Component

SOON = {"FOGBELL_OPERATOR__RESYNC_SECONDS": "1", "FOGBELL_OPERATOR__STALE_SECONDS": "6"}
LASTING = {"FOGBELL_OPERATOR__STALE_SECONDS": "60"}
"""For one that is to live, on a machine that may stall for seconds."""


@pytest.fixture(scope="module")
def rules(admin: Kube) -> list[Object]:
    """What the chart's Role grants."""
    chart = REPOSITORY / "charts" / "fogbell"
    shown = helm(
        admin,
        *("template", "fogbell", chart, "--set=dev.enabled=true"),
        "--show-only=templates/operator/role.yaml",
    )
    role = next(d for d in yaml.safe_load_all(shown) if d["kind"] == "Role")
    found: list[Object] = role["rules"]
    return found


@pytest.fixture
def place(kube: Kube, mongo_uri: str, database_name: str, tmp_path: Path) -> Place:
    return Place(kube, mongo_uri, database_name, tmp_path)


def allowed(place: Place, rules: list[Object]) -> Path:
    """A kubeconfig of an operator that may do what ``rules`` say and nothing else."""
    return granted(place.kube, "op", rules, place.directory)


def without(rules: list[Object], resource: str, verb: str) -> list[Object]:
    left = [
        {
            **rule,
            "verbs": [v for v in rule["verbs"] if (resource, v) != (rule["resources"][0], verb)],
        }
        for rule in rules
    ]
    return [rule for rule in left if rule["verbs"]]


def work(place: Place) -> None:
    """A Campaign with a Job that waits for its pods: all that the operator has to do."""
    place.kube.apply(document("nightly"))
    campaign = place.kube.get("campaign", "nightly")
    assert campaign is not None
    labels = {"fogbell.dev/campaign-uid": campaign["metadata"]["uid"]}
    labels |= {"app.kubernetes.io/managed-by": "fogbell-operator"}
    container = {"name": "c", "image": "nosuch.example.org/none:1"}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    place.kube.apply(
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "by-hand", "labels": labels},
            "spec": {"suspend": True, "template": template},
        }
    )


def trouble(place: Place, operator: Component) -> str:
    """What shows that it cannot do its work; empty where nothing does."""
    if operator.program.exit_status is not None:
        return f"exit status {operator.program.exit_status}"
    ready = condition(place.kube.get("campaign", "nightly"), "Ready")
    if ready.get("reason") == "Forbidden":
        return f"Forbidden: {ready['message']}"
    served = metrics(operator)
    return "no Events" if served.get('fogbell_operator_events_total{outcome="failed"}') else ""


def metrics(operator: Component) -> dict[str, float]:
    try:
        text = httpx2.get(operator.metrics, trust_env=False, timeout=30).text
    except httpx2.TransportError:
        return {}
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def test_the_role_is_enough(place: Place, rules: list[Object]) -> None:
    work(place)
    with place.operator(allowed(place, rules), **(SOON | LASTING)) as operator:
        operator.wait_ready()
        found = place.until("nightly", "LastRunSucceeded", "Unknown", "Starting")
        assert condition(found, "Ready")["reason"] == "Scheduled"
        began = metrics(operator)[RESYNC]
        wait_until("its resyncs", lambda: metrics(operator).get(RESYNC, 0) > began + 3, 60)
        assert trouble(place, operator) == ""
        assert metrics(operator)['fogbell_operator_events_total{outcome="created"}'] >= 2


RESYNC = "fogbell_operator_last_resync_timestamp_seconds"
VERBS = [
    ("campaigns", "list"),
    ("campaigns", "watch"),
    ("campaigns/status", "patch"),
    ("cronjobs", "list"),
    ("cronjobs", "watch"),
    ("cronjobs", "create"),
    ("cronjobs", "patch"),
    ("jobs", "list"),
    ("jobs", "watch"),
    ("pods", "list"),
    ("events", "create"),
]


@pytest.mark.parametrize(("resource", "verb"), VERBS)
def test_no_verb_is_one_too_many(
    place: Place, rules: list[Object], resource: str, verb: str
) -> None:
    work(place)
    left = without(rules, resource, verb)
    with place.operator(allowed(place, left), **SOON) as operator:
        said: str = wait_until(
            f"trouble without {verb} of {resource}",
            lambda: trouble(place, operator),
            90,
            operator.program.tail,
        )
    assert "exit status" not in said or said == "exit status 1"


def test_every_verb_of_the_role_is_tried(rules: list[Object]) -> None:
    granted = [(rule["resources"][0], verb) for rule in rules for verb in rule["verbs"]]
    assert granted == VERBS
    assert all(len(rule["resources"]) == 1 for rule in rules)
