"""What the operator says of a Campaign: its conditions, each with a reason and a sentence. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fogbell.model.campaign import Refusal
from fogbell.model.status import DeliveryStatus
from fogbell_operator.resources import Campaign, Job, JobState, Json, instant
from fogbell_operator.runs import History, Run, Summary

READY, SUSPENDED, LAST_RUN, COMPLETE = "Ready", "Suspended", "LastRunSucceeded", "Complete"
TRUE, FALSE, UNKNOWN = "True", "False", "Unknown"

LONGEST_MESSAGE = 2_000
"""Characters; the resource takes 2,048."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition; ``status`` is True, False or Unknown, as a word."""

    type: str
    status: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of a campaign that runs once: nothing more will start."""

    reason: str
    message: str

    @property
    def missed(self) -> bool:
        """Whether it came to no run."""
        return self.reason in (MISSED, REFUSED, FAILED)


MISSED, REFUSED, FAILED = "Missed", "Refused", "Failed"


def ready(
    fault: Refusal | None,
    template: Refusal | None,
    ending: Ending | None,
    *,
    suspended: bool,
    never: bool,
) -> Condition:
    """Whether its runs will start.

    ``fault``: what keeps its CronJob from being made; ``template``: what is wrong with the stored
    template, or why MongoDB could not be asked.
    """
    if fault is not None:
        return Condition(READY, FALSE, fault.reason, fault.sentence)
    if ending is not None:
        return Condition(READY, FALSE if ending.missed else TRUE, ending.reason, ending.message)
    if never:
        return Condition(
            READY,
            FALSE,
            "NeverFires",
            "No date matches spec.schedule: it would never run. Name a day that the month has.",
        )
    if template is not None:
        status = UNKNOWN if template.reason in UNTOLD else FALSE
        return Condition(READY, status, template.reason, template.sentence)
    if suspended:
        return Condition(READY, TRUE, SUSPENDED, "Set spec.suspend to false to let it run.")
    return Condition(READY, TRUE, "Scheduled", "Its runs will start on time.")


AWAY = Refusal(
    "MongoDBUnavailable", "MongoDB does not answer: templates and runs cannot be looked up."
)

SHUT_OUT = "MongoDBRefused"

UNTOLD = frozenset({AWAY.reason, SHUT_OUT})
"""Reasons of what nobody can tell: nothing is known by them."""


def shut_out(why: str) -> Refusal:
    """Why MongoDB tells nothing: it refuses the operator. ``why`` says what to change."""
    return Refusal(SHUT_OUT, f"Templates and runs cannot be looked up: {why}")


NOBODY_MEANT = "NobodyMeant"

_NOBODY = "Nobody in the directory matches spec.audience: see GET /v1/recipients."


def suspended(suspend: object) -> Condition:
    """Whether further runs are held back: ``spec.suspend``, also of a spec that is wrong."""
    if suspend:
        return Condition(
            SUSPENDED, TRUE, "Suspended", "No further run starts; one under way goes on."
        )
    return Condition(SUSPENDED, FALSE, "NotSuspended", "spec.suspend is not set.")


def last_run(
    history: History | None,
    summary: Summary,
    previous: Condition | None,
    untold: Refusal = AWAY,
) -> Condition:
    """Whether the last run went well; ``history`` is None where MongoDB tells nothing, for
    ``untold``. What was known before stands until something newer is.
    """
    if previous is not None and previous.reason in UNTOLD:
        previous = None
    if history is None:
        return previous or Condition(LAST_RUN, UNKNOWN, untold.reason, untold.sentence)
    if history.waiting is not None:
        said = _of_job(history.waiting, summary)
        if said is not None:
            return said
    if history.last is not None:
        return _of_run(history.last)
    return previous or Condition(LAST_RUN, UNKNOWN, "NoRun", "It has not run yet.")


def _of_job(job: Job, summary: Summary) -> Condition | None:
    """Of a Job that has made no notification; None for one whose notification is past its time."""
    match job.state:
        case JobState.ACTIVE:
            held = f" Its pod is held up: {summary.message}" if summary.message else ""
            return _last(UNKNOWN, "Starting", f"Job {job.name} is about to begin the run.{held}")
        case JobState.FAILED:
            why = summary.message or job.message or "See its pods' logs."
            reason = summary.reason or job.reason or "JobFailed"
            return _last(FALSE, reason, f"Job {job.name} has failed and sent nothing. {why}")
        case JobState.COMPLETE if summary.outcome == "refused":
            return _last(TRUE, REFUSED, f"Job {job.name} has sent nothing. {summary.message}")
    return None


def _of_run(run: Run) -> Condition:
    record, totals = run.record, run.reached.totals
    if record.cancelled_at is not None:
        return _last(FALSE, "Cancelled", f"Run {record.id} was cancelled.")
    if not run.settled:
        if record.reason is not None:
            return _last(
                FALSE,
                "ExpansionFailed",
                f"Run {record.id} stopped half-way: {record.reason}. Replay its notification.",
            )
        return _last(UNKNOWN, "Running", f"Run {record.id} is under way.")
    if record.expected == 0:
        # No failure: a group may well be empty today. But a slip in its name looks the same.
        message = f"Run {record.id} had no delivery. {_NOBODY}"
        return _last(TRUE, NOBODY_MEANT, message)
    counts = ", ".join(
        f"{totals.get(status, 0)} {status.value}" for status in DeliveryStatus if status.settled
    )
    message = f"Run {record.id}: {counts}."
    if not totals.get(DeliveryStatus.DEAD):
        return _last(TRUE, "Settled", message)
    if totals.get(DeliveryStatus.DELIVERED):
        return _last(TRUE, "SettledWithDead", message)
    where = f"GET /v1/notifications/{record.id}/deliveries?status=dead"
    return _last(FALSE, "NothingDelivered", f"{message} The deliveries' reasons say why: {where}.")


def _last(status: str, reason: str, message: str) -> Condition:
    return Condition(LAST_RUN, status, reason, message)


def complete(at: datetime, ending: Ending | None) -> Condition:
    """Whether a campaign that runs once has had its time."""
    if ending is None:
        return Condition(COMPLETE, FALSE, "Waiting", f"It runs at {instant(at)}.")
    return Condition(COMPLETE, TRUE, ending.reason, ending.message)


def previous(campaign: Campaign) -> dict[str, Condition]:
    """The conditions that stand in its status, by type."""
    listed: Sequence[Json] = campaign.status.get("conditions") or ()
    return {
        c["type"]: Condition(c["type"], c["status"], c.get("reason", ""), c.get("message", ""))
        for c in listed
    }


def written(
    campaign: Campaign, conditions: Sequence[Condition], now: datetime
) -> list[dict[str, Any]]:
    """As they stand in a status: a time moves only where the status does."""
    before: Mapping[str, Json] = {
        c["type"]: c for c in campaign.status.get("conditions") or () if "type" in c
    }
    return [_written(c, before.get(c.type), campaign.generation, now) for c in conditions]


def _written(
    condition: Condition, before: Json | None, generation: int, now: datetime
) -> dict[str, Any]:
    same = before is not None and before.get("status") == condition.status
    since = before.get("lastTransitionTime") if before is not None and same else None
    return {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message[:LONGEST_MESSAGE],
        "observedGeneration": generation,
        "lastTransitionTime": since or instant(now),
    }
