"""When a Campaign runs next, or why never. Pure.

Kubernetes decides when a CronJob fires; this is for people to read. croniter reads cron as
Kubernetes' own library does, but for oddities, which are shown as unknown.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import croniter
from croniter.croniter import CroniterBadDateError, CroniterError

from fogbell_operator.cronjobs import UTC_ZONE
from fogbell_operator.resources import CronJob, instant

NEVER, UNKNOWN, INVALID = "never", "unknown", "invalid"
SUSPENDED, STARTED, MISSED, COMPLETE = "suspended", "started", "missed", "complete"
"""What is shown in place of a time."""


@dataclass(frozen=True, slots=True)
class Next:
    """The next scheduled time, and what is shown for it: the time, or why there is none."""

    shown: str
    time: datetime | None = None

    @property
    def never(self) -> bool:
        """Whether no such time will ever come: the 30th of February."""
        return self.shown == NEVER


def at(time: datetime) -> Next:
    """That of a campaign which runs once."""
    return Next(instant(time), time)


def next_schedule(schedule: str, zone: str | None, now: datetime) -> Next:
    """The first time after ``now`` that ``schedule`` names in ``zone`` (UTC without one)."""
    try:
        found: datetime = _times(schedule, zone, now).get_next(datetime)
    except CroniterBadDateError:
        return Next(NEVER)
    except (CroniterError, ValueError, KeyError, OSError):
        # ZoneInfo raises KeyError for a name it does not know, OSError for some that are none.
        return Next(UNKNOWN)
    return at(found.astimezone(UTC))


def overdue(
    schedule: str,
    zone: str | None,
    live: CronJob | None,
    last_made: datetime | None,
    now: datetime,
) -> timedelta:
    """For how long Kubernetes has let times pass that ``schedule`` names, and made no Job.

    Nothing for a CronJob that is not there, or is suspended. What counts are times since it fires
    like that, and since the newest Job (``last_made``), by whomever that was made.
    """
    if live is None or live.timing.suspend or live.effective_since is None:
        return timedelta(0)
    known = (live.effective_since, live.last_schedule_time, last_made)
    try:
        start = max(time for time in known if time is not None)
        missed: datetime = _times(schedule, zone, start).get_next(datetime)
    except (CroniterError, ValueError, KeyError, OSError):
        return timedelta(0)
    return max(timedelta(0), now - missed)


def _times(schedule: str, zone: str | None, start: datetime) -> croniter:
    return croniter(schedule, start.astimezone(ZoneInfo(zone or UTC_ZONE)))
