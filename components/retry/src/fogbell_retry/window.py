"""Until when one process sweeps. Pure.

A CronJob starts one every minute. Sweeping until second 55 of the minute in the Job's name keeps
every beat on time; a window counted from the pod's start would drift with each slow start.
"""

from datetime import datetime, timedelta

from fogbell.model.cronjob import scheduled_job

LAST_SECOND = 55


def window_end(job_name: str | None, started_at: datetime) -> datetime:
    """When to stop, from the Job's name ``<cronjob>-<unix minutes>``.

    Any other name (a Job made by hand, no Job at all) sweeps until second 55 of the minute it
    started in. The end may have passed already: then there is one sweep and no more.
    """
    job = scheduled_job(job_name or "")
    minute = job.time if job else started_at.replace(second=0, microsecond=0)
    return minute + timedelta(seconds=LAST_SECOND)


def next_window(end: datetime) -> datetime:
    """When the window after the one that ended at ``end`` begins, if its Job is on time."""
    return end.replace(second=0, microsecond=0) + timedelta(minutes=1)
