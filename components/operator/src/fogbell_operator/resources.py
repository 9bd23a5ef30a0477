"""What the operator reads from Kubernetes, as values: Campaigns, CronJobs, Jobs and Pods. Pure.

Each is read from the JSON form of its object. What is missing is None: objects are made by many.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from fogbell.model.campaign import Firing, firing

Json = Mapping[str, Any]
"""An object, or a part of one, as Kubernetes writes it."""

LABEL_CAMPAIGN = "fogbell.dev/campaign"
LABEL_UID = "fogbell.dev/campaign-uid"
EFFECTIVE_SINCE = "fogbell.dev/effective-since"


@dataclass(frozen=True, slots=True)
class Campaign:
    """One Campaign as it stands in the cluster; ``spec`` has not been checked."""

    namespace: str
    name: str
    uid: str
    generation: int
    spec: Json
    status: Json = field(default_factory=dict)
    deleting: bool = False


@dataclass(frozen=True, slots=True)
class Timing:
    """All of a CronJob that decides when it fires."""

    schedule: str
    time_zone: str | None
    deadline_seconds: int | None
    suspend: bool


@dataclass(frozen=True, slots=True)
class CronJob:
    """A CronJob as it stands; ``owner`` is the uid of its controller."""

    name: str
    owner: str | None
    timing: Timing
    effective_since: datetime | None
    last_schedule_time: datetime | None = None


class JobState(StrEnum):
    """How far a Job is."""

    ACTIVE = "active"
    COMPLETE = "complete"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Job:
    """A run's Job; ``reason`` and ``message`` say why it failed."""

    name: str
    uid: str
    created_at: datetime
    state: JobState
    reason: str = ""
    message: str = ""

    def firing(self, cronjob: str) -> Firing:
        """What it stands for."""
        return firing(cronjob, self.name, self.uid)


@dataclass(frozen=True, slots=True)
class Pod:
    """A run's pod: what its container left behind, or why it does not start."""

    name: str
    job_uid: str | None
    created_at: datetime
    terminated: str | None = None
    exit_code: int | None = None
    waiting: str = ""


def moment(text: object) -> datetime | None:
    """A time as Kubernetes writes it; None for what is none."""
    if isinstance(text, datetime):
        return text.astimezone(UTC)
    if not isinstance(text, str):
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time.astimezone(UTC) if time.tzinfo else None


def instant(time: datetime) -> str:
    """A time as Kubernetes writes it: UTC, whole seconds."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def campaign(document: Json) -> Campaign:
    """A Campaign from its object."""
    metadata = document["metadata"]
    return Campaign(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 0),
        spec=document.get("spec") or {},
        status=document.get("status") or {},
        deleting=metadata.get("deletionTimestamp") is not None,
    )


def cronjob(document: Json) -> CronJob:
    """A CronJob from its object."""
    metadata, spec = document["metadata"], document.get("spec", {})
    return CronJob(
        name=metadata["name"],
        owner=_controller(metadata),
        timing=Timing(
            schedule=spec.get("schedule", ""),
            time_zone=spec.get("timeZone"),
            deadline_seconds=spec.get("startingDeadlineSeconds"),
            suspend=bool(spec.get("suspend")),
        ),
        effective_since=moment((metadata.get("annotations") or {}).get(EFFECTIVE_SINCE)),
        last_schedule_time=moment((document.get("status") or {}).get("lastScheduleTime")),
    )


def job(document: Json) -> Job:
    """A Job from its object."""
    metadata = document["metadata"]
    state, reason, message = _job_state(document.get("status") or {})
    return Job(metadata["name"], metadata["uid"], _created(metadata), state, reason, message)


def _job_state(status: Json) -> tuple[JobState, str, str]:
    for condition in status.get("conditions") or ():
        if condition.get("status") == "True" and condition.get("type") in ("Complete", "Failed"):
            state = JobState.COMPLETE if condition["type"] == "Complete" else JobState.FAILED
            return state, condition.get("reason") or "", condition.get("message") or ""
    return JobState.ACTIVE, "", ""


def pod(document: Json) -> Pod:
    """A Pod from its object; of its containers the first one counts."""
    metadata, status = document["metadata"], document.get("status") or {}
    container: Json = next(iter(status.get("containerStatuses") or ()), {})
    state = container.get("state") or {}
    ended = state.get("terminated") or {}
    return Pod(
        name=metadata["name"],
        job_uid=_controller(metadata),
        created_at=_created(metadata),
        terminated=ended.get("message"),
        exit_code=ended.get("exitCode"),
        waiting=_waiting(state.get("waiting") or {}, status),
    )


def _waiting(state: Json, status: Json) -> str:
    """Why it does not start: its container's reason, or that no node takes it."""
    if state.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
        return ": ".join(filter(None, (state["reason"], state.get("message"))))
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return f"{condition.get('reason', '')}: {condition.get('message', '')}"
    return ""


def _controller(metadata: Json) -> str | None:
    owners = metadata.get("ownerReferences") or ()
    return next((owner["uid"] for owner in owners if owner.get("controller")), None)


def _created(metadata: Json) -> datetime:
    return moment(metadata.get("creationTimestamp")) or datetime.fromtimestamp(0, UTC)
