"""Rules of a cluster's own, which refuse what Fogbell or Kubernetes would make."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import yaml
from tests.cluster.kube import Kube, Object, RefusedError, wait_until

FORBIDDEN_LINE = "0 4 * * *"


@dataclass(frozen=True, slots=True)
class Policy:
    """Refuses with 403 what of ``resource``, of batch/v1, does not fulfil ``allowed`` (CEL).

    ``message`` is its sentence, and ``refused`` an object that it must not let through.
    """

    resource: str
    allowed: str
    message: str
    refused: Object


def not_at_four(kube: Kube, admin: Kube) -> contextlib.AbstractContextManager[None]:
    """CronJobs with `FORBIDDEN_LINE` are refused in the namespace of ``kube``."""
    job = _job({})
    spec = {"schedule": FORBIDDEN_LINE, "jobTemplate": {"spec": job["spec"]}}
    refused = {**job, "kind": "CronJob", "spec": spec}
    allowed = f"object.spec.schedule != '{FORBIDDEN_LINE}'"
    return _in_force(kube, admin, Policy("cronjobs", allowed, "not at four", refused))


def no_jobs_of(campaign: str, kube: Kube, admin: Kube) -> contextlib.AbstractContextManager[None]:
    """The Jobs of a Campaign are refused in the namespace of ``kube``."""
    label = "fogbell.dev/campaign"
    allowed = f"object.metadata.?labels[?'{label}'].orValue('') != '{campaign}'"
    policy = Policy("jobs", allowed, f"no jobs of {campaign}", _job({label: campaign}))
    return _in_force(kube, admin, policy)


def _job(labels: dict[str, str]) -> Object:
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "try", "labels": labels},
        "spec": {"template": {"spec": pod}},
    }


@contextlib.contextmanager
def _in_force(kube: Kube, admin: Kube, policy: Policy) -> Iterator[None]:
    objects = _objects(kube, policy)
    admin.apply(*objects)
    try:
        wait_until("the policy", lambda: _denied(kube, policy), 30)
        yield
    finally:
        for made in objects:
            admin.delete(made["kind"], made["metadata"]["name"])


def _objects(kube: Kube, policy: Policy) -> tuple[Object, Object]:
    """The policy and its binding to the namespace of ``kube``."""
    api = "admissionregistration.k8s.io/v1"
    name = f"{policy.message.replace(' ', '-')}-{kube.namespace}"
    rule = {"apiGroups": ["batch"], "apiVersions": ["v1"], "resources": [policy.resource],
            "operations": ["CREATE", "UPDATE"]}  # fmt: skip
    here = {"matchLabels": {"kubernetes.io/metadata.name": kube.namespace}}
    validation = {"expression": policy.allowed, "message": policy.message, "reason": "Forbidden"}
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


def _denied(kube: Kube, policy: Policy) -> bool:
    """Whether the API server holds to the policy already."""
    try:
        text = yaml.safe_dump(policy.refused)
        kube.run("create", "--filename=-", "--dry-run=server", stdin=text)
    except RefusedError as error:
        return policy.message in str(error)
    return False
