"""Campaigns, Jobs and pods as the operator's tests need them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from tests.support.campaigns import NAME, NAMESPACE
from tests.support.campaigns import written as written_spec

from fogbell.model.campaign import CampaignSpec, cronjob_name
from fogbell.model.notification import Progress
from fogbell.model.status import DeliveryStatus
from fogbell.store.campaigns import RunRecord
from fogbell_operator.resources import Campaign, Job, JobState, Pod
from fogbell_operator.runs import Run

UID = "6f1c0f4e-0001-4000-8000-000000000001"
"""The uid of the Campaign."""

NOW = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
POD: dict[str, Any] = {
    "metadata": {"labels": {"team": "shop", "app.kubernetes.io/managed-by": "Helm"}},
    "spec": {
        "containers": [
            {
                "name": "campaign",
                "image": "runner:1",
                "env": [{"name": "FOGBELL_LOG__LEVEL", "value": "info"}],
            }
        ]
    },
}
"""The installation's pod template."""


def campaign(*, status: dict[str, Any] | None = None, **changes: Any) -> Campaign:
    """A Campaign; ``changes`` to its spec, None takes a field away."""
    spec = written_spec(**{"startingDeadlineSeconds": 300, **changes})
    return Campaign(NAMESPACE, NAME, UID, 1, spec, status or {})


def spec_of(found: Campaign) -> CampaignSpec:
    return CampaignSpec.model_validate(dict(found.spec))


def job(
    scheduled: datetime | None = NOW,
    state: JobState = JobState.ACTIVE,
    *,
    uid: str = "job-1",
    name: str | None = None,
    late: float = 0,
    **why: str,
) -> Job:
    """The Job of a scheduled time, created ``late`` seconds after it."""
    time = scheduled or NOW
    named = name or f"{cronjob_name(NAME)}-{int(time.timestamp()) // 60}"
    return Job(named, uid, time + timedelta(seconds=late), state, **why)


def pod(text: str | None = None, *, job_uid: str = "job-1", late: float = 0, **more: Any) -> Pod:
    return Pod("pod", job_uid, NOW + timedelta(seconds=late), terminated=text, **more)


def record(run: UUID, created_at: datetime = NOW, **more: Any) -> RunRecord:
    return RunRecord(run, created_at, **more)


def run(record: RunRecord, **counts: int) -> Run:
    totals = {status: counts.get(status.value, 0) for status in DeliveryStatus}
    return Run(record, Progress(totals, {}))
