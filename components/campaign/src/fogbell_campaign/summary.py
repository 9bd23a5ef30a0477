"""What came of a run: the process's exit status, and what it leaves for the operator."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from fogbell.model.campaign import Refusal
from fogbell.settings import JOB_EXIT

DONE, TRY_AGAIN, HOPELESS = 0, 1, JOB_EXIT
"""Exit statuses. After ``HOPELESS`` another pod would fail the same way: the Job fails at once."""


class Outcome(StrEnum):
    """How a run's process has ended."""

    EXPANDED = "expanded"
    """It began the run, and every delivery is there."""

    RESUMED = "resumed"
    """Another process began the run; every delivery is there now."""

    REFUSED = "refused"
    """Nobody asked for this run: nothing was written."""

    CANCELLED = "cancelled"
    """The run was cancelled."""

    FAILED = "failed"
    """The run has not begun, or not every delivery is there."""


@dataclass(frozen=True, slots=True)
class Summary:
    """``notification`` is None where there is none; ``inserted`` is how many deliveries this
    process knows to have inserted: an outage may have hidden more.

    ``reason`` is in CamelCase, as in a condition, where the outcome alone does not say it.
    """

    outcome: Outcome
    message: str
    reason: str | None = None
    notification: UUID | None = None
    inserted: int = 0
    exit_status: int = DONE

    def fields(self) -> dict[str, object]:
        """As they are written down."""
        return {
            "outcome": self.outcome.value,
            "notification": str(self.notification) if self.notification else None,
            "inserted": self.inserted,
            "reason": self.reason,
            "message": self.message,
        }


def refused(refusal: Refusal) -> Summary:
    """A run that must not begin."""
    return Summary(Outcome.REFUSED, refusal.sentence, refusal.reason)


def faulty(fault: Refusal) -> Summary:
    """A Campaign that cannot be sent until somebody changes it, or its template."""
    return Summary(Outcome.FAILED, fault.sentence, fault.reason, exit_status=HOPELESS)
