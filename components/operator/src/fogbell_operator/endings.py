"""Whether a campaign that runs once has had its time. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from fogbell.model.campaign import CampaignSpec
from fogbell.store.campaigns import RunRecord
from fogbell_operator.conditions import COMPLETE, FAILED, MISSED, REFUSED, TRUE, Ending, previous
from fogbell_operator.resources import Campaign, Job, JobState, instant
from fogbell_operator.runs import started_at

SLACK = timedelta(seconds=10)
"""How long after the deadline the controller may take to have started a Job."""


def has_begun(campaign: Campaign, at: datetime, jobs: Sequence[Job], run: RunRecord | None) -> bool:
    """Whether anything stands for the run of ``at``."""
    return run is not None or started_at(campaign, jobs, at) is not None


def ending(
    campaign: Campaign,
    spec: CampaignSpec,
    jobs: Sequence[Job],
    run: RunRecord | None,
    since: datetime,
    now: datetime,
    *,
    known: bool,
) -> Ending | None:
    """What became of it; None where it is still to run, or runs.

    ``run`` is its notification; not ``known`` says that MongoDB could not be asked. ``since`` is
    what its CronJob is effective since: a time before that is not started any more.
    """
    at = spec.at
    if at is None:
        return None
    job = started_at(campaign, jobs, at)
    if run is not None:
        return _of_run(run)
    if job is not None and job.state is JobState.ACTIVE:
        return None
    told = previous(campaign).get(COMPLETE)
    if told is not None and told.status == TRUE:
        return Ending(told.reason, told.message)
    if not known:
        return None
    return _without_run(spec, at, job, since, now)


def _of_run(run: RunRecord) -> Ending | None:
    if run.settled_at is None:
        return None
    word = "was cancelled" if run.cancelled_at else "is settled"
    return Ending("Ran", f"Run {run.id} {word}. It will not run again.")


def _without_run(
    spec: CampaignSpec, at: datetime, job: Job | None, since: datetime, now: datetime
) -> Ending | None:
    if job is not None and job.state is JobState.FAILED:
        return Ending(FAILED, f"Job {job.name} has failed. {_AGAIN}")
    if job is not None:
        return Ending(REFUSED, f"Job {job.name} was refused. {_AGAIN}")
    deadline = at + timedelta(seconds=spec.starting_deadline_seconds)
    if since > at:
        why = f"It was to run at {instant(at)}, which was past when it was applied or resumed."
    elif now > deadline + SLACK:
        held = " It was suspended." if spec.suspend else ""
        why = f"Nothing ran at {instant(at)}, nor until {instant(deadline)}.{held}"
    else:
        return None
    return Ending(MISSED, f"{why} {_AGAIN}")


_AGAIN = "Delete it and apply another with a later time."
