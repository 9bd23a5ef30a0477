"""Which run is the last one, and how it stands: from Jobs, notifications and pods. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from fogbell.identity import run_id
from fogbell.model.campaign import cronjob_name, firing
from fogbell.model.notification import Progress
from fogbell.model.status import DeliveryStatus
from fogbell.store.campaigns import RunRecord
from fogbell_operator.resources import Campaign, Job, JobState, Json, Pod, moment

NEWEST_JOBS = 20
"""Jobs whose runs are looked up: there may be two hundred, and only the newest run is shown."""

LONGEST_MESSAGE = 1_000


@dataclass(frozen=True, slots=True)
class Run:
    """One run with what it has come to."""

    record: RunRecord
    reached: Progress

    @property
    def settled(self) -> bool:
        """Whether nothing of it will change by itself any more."""
        return self.record.settled_at is not None


@dataclass(frozen=True, slots=True)
class History:
    """What is known of a Campaign's runs.

    ``waiting`` is the newest Job where it has made no notification and is younger than ``last``:
    it is about to, has been refused, or has failed.
    """

    last: Run | None = None
    waiting: Job | None = None
    once: RunRecord | None = None
    """The run of a campaign that runs once: of its own time, not of one made by hand."""


def job_run(campaign: Campaign, job: Job) -> UUID:
    """The id of the run that ``job`` stands for."""
    return run_id(campaign.uid, job.firing(cronjob_name(campaign.name)).key)


def run_at(campaign: Campaign, time: datetime) -> UUID:
    """The id of the run for a scheduled time."""
    cronjob = cronjob_name(campaign.name)
    name = f"{cronjob}-{int(time.timestamp()) // 60:08d}"
    return run_id(campaign.uid, firing(cronjob, name, "").key)


def newest(jobs: Sequence[Job]) -> list[Job]:
    """The newest Jobs, the newest one first."""
    ordered = sorted(jobs, key=lambda job: (job.created_at, job.name), reverse=True)
    return ordered[:NEWEST_JOBS]


def shown_run(campaign: Campaign) -> UUID | None:
    """The run that the status shows already."""
    try:
        return UUID((campaign.status.get("lastRun") or {}).get("id", ""))
    except ValueError:
        return None


def candidates(campaign: Campaign, jobs: Sequence[Job], at: datetime | None) -> set[UUID]:
    """Ids of runs of which the newest is the last run."""
    found = {job_run(campaign, job) for job in newest(jobs)}
    known = shown_run(campaign)
    found |= {known} if known else set()
    return found | ({run_at(campaign, at)} if at else set())


def last_record(records: Mapping[UUID, RunRecord]) -> RunRecord | None:
    """The newest of them."""
    return max(records.values(), key=lambda run: (run.created_at, run.id), default=None)


def waiting_job(
    campaign: Campaign, jobs: Sequence[Job], records: Mapping[UUID, RunRecord]
) -> Job | None:
    """The newest Job, where it has made no notification and no younger run is known."""
    job = next(iter(newest(jobs)), None)
    if job is None or job_run(campaign, job) in records:
        return None
    last = last_record(records)
    # Kubernetes' times are whole seconds.
    younger = last is not None and last.created_at.replace(microsecond=0) > job.created_at
    return None if younger else job


def started_at(campaign: Campaign, jobs: Sequence[Job], at: datetime) -> Job | None:
    """The Job for the time of a campaign that runs once; of no other year."""
    cronjob = cronjob_name(campaign.name)
    return next((j for j in newest(jobs) if j.firing(cronjob).scheduled_for == at), None)


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run's pod left behind. ``outcome`` is empty where it left no summary."""

    outcome: str = ""
    reason: str = ""
    message: str = ""


def summary(pods: Sequence[Pod], job: Job) -> Summary:
    """That of the newest pod of ``job`` which has any; else why its pod does not start."""
    own = sorted((p for p in pods if p.job_uid == job.uid), key=lambda p: p.created_at)
    for pod in reversed(own):
        if pod.terminated:
            return read_summary(pod.terminated)
    waiting = next((pod.waiting for pod in reversed(own) if pod.waiting), "")
    return Summary(message=cut(waiting))


def read_summary(text: str) -> Summary:
    """A termination message: the runner's JSON, or the end of its log."""
    try:
        fields = json.loads(text)
    except ValueError:
        return Summary(message=cut(text.strip()))
    if not isinstance(fields, dict):
        return Summary(message=cut(text.strip()))
    words = [fields.get(name) for name in ("outcome", "reason", "message")]
    outcome, reason, message = (word if isinstance(word, str) else "" for word in words)
    return Summary(outcome, reason[:64], cut(message))


def cut(text: str) -> str:
    """At most `LONGEST_MESSAGE` characters, the last ones: a log's end says what happened."""
    return text if len(text) <= LONGEST_MESSAGE else "…" + text[1 - LONGEST_MESSAGE :]


def at_least(reached: Progress, record: RunRecord, campaign: Campaign) -> Progress:
    """``reached`` without a step back. While a run expands, it says of how many it is known that
    they are delivered; what is inserted meanwhile makes that fewer at one look than at another.
    """
    before = campaign.status.get("lastRun") or {}
    expanding = record.expected is None and reached.as_of is not None
    if not expanding or before.get("id") != str(record.id):
        return reached
    delivered = max(reached.totals[DeliveryStatus.DELIVERED], before.get("delivered", 0))
    return replace(reached, totals=reached.totals | {DeliveryStatus.DELIVERED: delivered})


def shown(run: Run) -> Json:
    """``status.lastRun``."""
    record, totals = run.record, run.reached.totals
    scheduled = moment(record.scheduled_for)
    times = {
        "scheduledFor": scheduled,
        "startedAt": record.created_at,
        "finishedAt": record.settled_at,
    }
    counts = {status.value: number for status, number in totals.items()}
    counts["pending"] = counts.get("pending", 0) + counts.pop("sending", 0)
    return {
        "id": str(record.id),
        **({} if record.expected is None else {"expected": record.expected}),
        **counts,
        **{name: f"{time:%Y-%m-%dT%H:%M:%SZ}" for name, time in times.items() if time},
    }


def active(jobs: Sequence[Job]) -> int:
    """How many Jobs are at work."""
    return sum(job.state is JobState.ACTIVE for job in jobs)
