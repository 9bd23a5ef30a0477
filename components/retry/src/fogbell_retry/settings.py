"""What the sweep is told, by environment variables (see `fogbell.settings`)."""

from typing import Self

from pydantic import Field, model_validator

from fogbell.settings import Group, JobSettings


class SweepGroup(Group):
    """How sweeps are made."""

    interval_seconds: float = Field(default=5, gt=0, le=60)
    """Between two sweeps of one window. A backoff is kept to within about this."""

    enough_transactional: int = Field(default=5_000, ge=1)
    """Messages in a queue beyond which nothing more is released into it."""

    enough_bulk: int = Field(default=500, ge=1)
    """As above; a bulk message carries up to 200 ids."""

    report_seconds: float = Field(default=2, gt=0, le=10)
    """How long one sweep may go on creating callbacks, for each kind of event."""

    purge_seconds: float = Field(default=3, gt=0, le=30)
    """How long one sweep may go on deleting what is past its retention."""


class RetryComponentSettings(JobSettings):
    """Settings of the retry component."""

    sweep: SweepGroup = SweepGroup()

    job_name: str | None = None
    """``FOGBELL_JOB_NAME``: the Job's name by the downward API; it names the window."""

    @model_validator(mode="after")
    def _sweeps_leave_no_gap(self) -> Self:
        hold, interval = self.protocol.expiry_hold_seconds, self.sweep.interval_seconds
        if interval >= hold:
            raise ValueError(
                f"expected FOGBELL_SWEEP__INTERVAL_SECONDS, now {interval:g}, below"
                f" FOGBELL_PROTOCOL__EXPIRY_HOLD_SECONDS, now {hold:g}: each pause would count as"
                " a gap in sweeping, after which no lease ends, so none ever would"
            )
        return self
