"""The CronJob that a Campaign becomes. Pure: built from values, whole, each time anew.

It is server-side applied: what is not built any more goes away, and what others have set stays.
"""

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from fogbell.model.campaign import API_GROUP, API_VERSION, KIND, CampaignSpec, cronjob_name
from fogbell.settings import JOB_EXIT
from fogbell.views import rfc3339
from fogbell_operator.resources import (
    EFFECTIVE_SINCE,
    LABEL_CAMPAIGN,
    LABEL_UID,
    Campaign,
    CronJob,
    Json,
    Timing,
)

FIELD_MANAGER = "fogbell-operator"
BACKOFF_LIMIT = 6
UTC_ZONE = "Etc/UTC"
"""Named always: without a zone a CronJob follows the clock of the controller's machine."""

TERMINATION_LOG = "/dev/termination-log"


def timing(spec: CampaignSpec, *, over: bool) -> Timing:
    """When the CronJob of ``spec`` fires; never again where it is ``over``."""
    suspend = spec.suspend or over
    if spec.at is not None:
        at = spec.at.astimezone(UTC)
        line = f"{at.minute} {at.hour} {at.day} {at.month} *"
        return Timing(line, UTC_ZONE, spec.starting_deadline_seconds, suspend)
    assert spec.schedule is not None
    zone = spec.time_zone or UTC_ZONE
    return Timing(spec.schedule, zone, spec.starting_deadline_seconds, suspend)


def effective_since(live: CronJob | None, wanted: Timing, now: datetime) -> datetime:
    """Since when the CronJob fires as it does: times before it are refused by the runner.

    A CronJob may fire for a time that lay before it was changed, at any later sync within the
    deadline (tried on Kubernetes 1.34). So whatever decides when it fires, whoever changed it,
    starts a new count, in the same apply.
    """
    if live is None or live.timing != wanted or live.effective_since is None:
        return now.replace(microsecond=now.microsecond // 1000 * 1000)
    return live.effective_since


def build_cronjob(
    campaign: Campaign,
    spec: CampaignSpec,
    template: Json,
    live: CronJob | None,
    now: datetime,
    *,
    over: bool = False,
    cluster: str = "",
    active_deadline_seconds: int,
) -> dict[str, Any]:
    """The CronJob to apply.

    ``template`` is the installation's PodTemplateSpec, ``live`` the CronJob as it stands, and
    ``over`` says that a campaign with a time of its own has begun or missed it. ``cluster`` stands
    for the cluster in the runs' notifications.
    """
    wanted = timing(spec, over=over)
    since = rfc3339(effective_since(live, wanted, now))
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {
            "name": cronjob_name(campaign.name),
            "namespace": campaign.namespace,
            "labels": _labels(campaign),
            "annotations": {EFFECTIVE_SINCE: since},
            "ownerReferences": [_owner(campaign)],
        },
        "spec": {
            "schedule": wanted.schedule,
            "timeZone": wanted.time_zone,
            "suspend": wanted.suspend,
            "startingDeadlineSeconds": wanted.deadline_seconds,
            "concurrencyPolicy": "Forbid",
            "successfulJobsHistoryLimit": spec.successful_runs_history_limit,
            "failedJobsHistoryLimit": spec.failed_runs_history_limit,
            "jobTemplate": _job(_pod(campaign, template, since, cluster), active_deadline_seconds),
        },
    }


def _job(pod: dict[str, Any], active_deadline_seconds: int) -> dict[str, Any]:
    return {
        "metadata": {"labels": pod["metadata"]["labels"]},
        "spec": {
            "backoffLimit": BACKOFF_LIMIT,
            "activeDeadlineSeconds": active_deadline_seconds,
            "podFailurePolicy": _FAILURE_POLICY,
            "template": pod,
        },
    }


# In this order: a pod that is disrupted has said nothing about its settings.
_FAILURE_POLICY: dict[str, Any] = {
    "rules": [
        {
            "action": "Ignore",
            "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
        },
        {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [JOB_EXIT]}},
    ]
}


def _labels(campaign: Campaign) -> dict[str, str]:
    return {
        LABEL_CAMPAIGN: campaign.name,
        LABEL_UID: campaign.uid,
        "app.kubernetes.io/name": "fogbell",
        "app.kubernetes.io/component": "campaign",
        "app.kubernetes.io/managed-by": FIELD_MANAGER,
    }


def _owner(campaign: Campaign) -> dict[str, Any]:
    """Without ``blockOwnerDeletion``: where owners are enforced, it takes a right of its own."""
    return {
        "apiVersion": f"{API_GROUP}/{API_VERSION}",
        "kind": KIND,
        "name": campaign.name,
        "uid": campaign.uid,
        "controller": True,
    }


def _pod(campaign: Campaign, template: Json, since: str, cluster: str) -> dict[str, Any]:
    pod: dict[str, Any] = copy.deepcopy(dict(template))
    metadata = pod.setdefault("metadata", {})
    metadata["labels"] = {**(metadata.get("labels") or {}), **_labels(campaign)}
    pod["spec"]["restartPolicy"] = "Never"
    runner = pod["spec"]["containers"][0]
    ours = list(_environment(campaign, since, cluster))
    names = {variable["name"] for variable in ours}
    # A name that stands twice is refused by server-side apply.
    others = [v for v in runner.get("env") or () if v["name"] not in names]
    runner["env"] = others + ours
    runner["terminationMessagePath"] = TERMINATION_LOG
    # A runner that could not even start its summary has said why on standard error.
    runner["terminationMessagePolicy"] = "FallbackToLogsOnError"
    return pod


def _environment(campaign: Campaign, since: str, cluster: str) -> Iterator[dict[str, Any]]:
    for name, value in (
        ("SPEC", encoded_spec(campaign.spec)),
        ("NAMESPACE", campaign.namespace),
        ("NAME", campaign.name),
        ("UID", campaign.uid),
        ("CLUSTER", cluster),
        ("EFFECTIVE_SINCE", since),
    ):
        yield {"name": f"FOGBELL_CAMPAIGN__{name}", "value": value}
    for name, label in (("JOB_NAME", "job-name"), ("CONTROLLER_UID", "controller-uid")):
        path = f"metadata.labels['batch.kubernetes.io/{label}']"
        source = {"fieldRef": {"fieldPath": path}}
        yield {"name": f"FOGBELL_CAMPAIGN__{name}", "valueFrom": source}


def encoded_spec(spec: Json) -> str:
    """A spec as one environment value.

    Kubernetes replaces ``$(NAME)`` in a value by another variable's, which may be a secret: the
    dollar is written as JSON can write it without one. It stands in strings alone.
    """
    text = json.dumps(spec, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return text.replace("$", "\\u0024")
