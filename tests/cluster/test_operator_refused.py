"""CronJobs that a cluster's own rules refuse: said as it is, and nothing old goes on firing."""

from pathlib import Path

import pytest
from tests.cluster.kube import Kube, Object, RefusedError, condition, wait_until
from tests.cluster.operating import Place, document

QUOTA = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "none"},
    "spec": {"hard": {"count/cronjobs.batch": "0"}},
}
FORBIDDEN_LINE = "0 4 * * *"


def policy(kube: Kube) -> tuple[Object, Object]:
    """What answers 403 to CronJobs with `FORBIDDEN_LINE` in the namespace of ``kube``."""
    api, name = "admissionregistration.k8s.io/v1", f"not-at-four-{kube.namespace}"
    rule = {"apiGroups": ["batch"], "apiVersions": ["v1"], "resources": ["cronjobs"],
            "operations": ["CREATE", "UPDATE"]}  # fmt: skip
    here = {"matchLabels": {"kubernetes.io/metadata.name": kube.namespace}}
    validation = {"expression": f"object.spec.schedule != '{FORBIDDEN_LINE}'",
                  "message": "not at four", "reason": "Forbidden"}  # fmt: skip
    return (
        {
            "apiVersion": api,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {"namespaceSelector": here, "resourceRules": [rule]},
                "validations": [validation],
            },
        },
        {
            "apiVersion": api,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        },
    )


@pytest.fixture
def place(kube: Kube, mongo_uri: str, database_name: str, tmp_path: Path) -> Place:
    return Place(kube, mongo_uri, database_name, tmp_path)


def test_a_quota_is_a_refusal_and_not_a_missing_right(place: Place) -> None:
    place.kube.apply(QUOTA)
    wait_until(
        "the quota",
        lambda: (place.kube.get("resourcequota", "none") or {}).get("status", {}).get("hard"),
        30,
    )
    with place.operator() as component:
        component.wait_ready()
        place.kube.apply(document("limited"))
        ready = condition(place.until("limited", "Ready", "False", "CronJobRefused"), "Ready")
    assert "exceeded quota" in ready["message"]


def test_a_change_that_a_policy_forbids_holds_what_stood_before(place: Place, admin: Kube) -> None:
    objects = policy(place.kube)
    with place.operator() as component:
        component.wait_ready()
        place.campaign("moved")
        admin.apply(*objects)
        try:
            wait_until("the policy", lambda: denied(place), 30)
            place.kube.apply(document("moved", schedule=FORBIDDEN_LINE))
            ready = condition(place.until("moved", "Ready", "False", "CronJobRefused"), "Ready")
            assert "not at four" in ready["message"]
            held = place.cronjob("moved")["spec"]
            assert (held["schedule"], held["suspend"]) == ("0 2 * * *", True)
        finally:
            for made in objects:
                admin.delete(made["kind"], made["metadata"]["name"])


def denied(place: Place) -> bool:
    """Whether the API server holds to the policy already."""
    line = f"--schedule={FORBIDDEN_LINE}"
    try:
        place.kube.run("create", "cronjob", "try", "--image=x", line, "--dry-run=server")
    except RefusedError as error:
        return "not at four" in str(error)
    return False
