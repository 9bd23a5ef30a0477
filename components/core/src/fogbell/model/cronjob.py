"""What the name of a Job says: which CronJob made it, and for which minute. Pure.

A CronJob names its Jobs ``<cronjob>-<minutes since the epoch>``
(kubernetes/pkg/controller/cronjob/utils.go, ``getJobName``). The annotation with the time never
reaches the pod; the name does.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_SCHEDULED = re.compile(r"(.+)-([0-9]{8,10})")
_MINUTES = int(datetime.max.replace(tzinfo=UTC).timestamp()) // 60


@dataclass(frozen=True, slots=True)
class ScheduledJob:
    """A Job that a CronJob made; ``time`` is its scheduled time, in UTC."""

    cronjob: str
    time: datetime


def scheduled_job(name: str) -> ScheduledJob | None:
    """What ``name`` says, or None where no CronJob gives such a name."""
    match = _SCHEDULED.fullmatch(name)
    if match is None or int(match[2]) > _MINUTES:
        return None
    return ScheduledJob(match[1], datetime.fromtimestamp(int(match[2]) * 60, UTC))
