"""Rules of a cluster's own, which refuse what Fogbell would make."""

import contextlib
from collections.abc import Iterator

from tests.cluster.kube import Kube, Object, RefusedError, wait_until

FORBIDDEN_LINE = "0 4 * * *"


@contextlib.contextmanager
def not_at_four(kube: Kube, admin: Kube) -> Iterator[None]:
    """CronJobs with `FORBIDDEN_LINE` are refused in the namespace of ``kube``."""
    objects = _policy(kube)
    admin.apply(*objects)
    try:
        wait_until("the policy", lambda: _denied(kube), 30)
        yield
    finally:
        for made in objects:
            admin.delete(made["kind"], made["metadata"]["name"])


def _policy(kube: Kube) -> tuple[Object, Object]:
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


def _denied(kube: Kube) -> bool:
    """Whether the API server holds to the policy already."""
    line = f"--schedule={FORBIDDEN_LINE}"
    try:
        kube.run("create", "cronjob", "try", "--image=x", line, "--dry-run=server")
    except RefusedError as error:
        return "not at four" in str(error)
    return False
