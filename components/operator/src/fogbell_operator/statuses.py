"""A Campaign's status, whole: it is applied as it stands here, and what is missing goes away."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fogbell_operator.conditions import Condition, written
from fogbell_operator.resources import Campaign, Json, instant
from fogbell_operator.schedules import Next


@dataclass(frozen=True, slots=True)
class Standing:
    """How a Campaign stands; ``last_run`` is None where none is known."""

    conditions: Sequence[Condition]
    next_schedule: Next
    active: int
    overdue: timedelta = timedelta(0)
    """For how long a run that should have begun has not; for metrics alone."""
    throttle: int | None = None
    """People a second that runs are held to, if they are; for metrics alone."""

    last_schedule: datetime | None = None
    last_run: Json | None = None


def status(campaign: Campaign, standing: Standing, now: datetime) -> dict[str, Any]:
    """``status``; equal to the one that stands where nothing has happened."""
    document: dict[str, Any] = {
        "observedGeneration": campaign.generation,
        "conditions": written(campaign, standing.conditions, now),
        "nextScheduleTime": standing.next_schedule.shown,
        "active": standing.active,
    }
    if standing.last_schedule is not None:
        document["lastScheduleTime"] = instant(standing.last_schedule)
    if standing.last_run is not None:
        document["lastRun"] = dict(standing.last_run)
    return document


def changed(campaign: Campaign, document: Json) -> bool:
    """Whether ``document`` says anything that the Campaign's status does not."""
    return dict(campaign.status) != dict(document)
