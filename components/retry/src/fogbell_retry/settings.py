"""What the sweep is told, by environment variables (see `fogbell.settings`)."""

from pydantic import Field

from fogbell.settings import Group, Settings


class SweepGroup(Group):
    """How sweeps are made."""

    interval_seconds: float = Field(default=5, gt=0, le=60)
    """Between two sweeps of one window. A backoff is kept to within about this."""

    enough_transactional: int = Field(default=5_000, ge=1)
    """Messages in a queue beyond which nothing more is released into it."""

    enough_bulk: int = Field(default=500, ge=1)
    """As above; a bulk message carries up to 200 ids."""

    purge_at_once: int = Field(default=100, ge=1)
    """Settled notifications past their retention that one sweep looks at."""


class RetryComponentSettings(Settings):
    """Settings of the retry component."""

    sweep: SweepGroup = SweepGroup()

    job_name: str | None = None
    """``FOGBELL_JOB_NAME``: the Job's name by the downward API; it names the window."""
