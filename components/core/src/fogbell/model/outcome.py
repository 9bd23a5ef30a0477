"""What came of one try at a provider.

A provider answers with one of four values, never with a bool: whether the message was handed
over decides whether another try can make a duplicate. `fogbell.policy` turns an outcome into what
happens to the delivery.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Outcome(StrEnum):
    """How an attempt ended, as kept in the delivery's history."""

    ACCEPTED = "accepted"
    PERMANENT = "permanent"
    TRANSIENT = "transient"
    AMBIGUOUS = "ambiguous"
    LEASE_EXPIRED = "lease_expired"


class Fault(StrEnum):
    """What an answer that was no yes is about."""

    MESSAGE = "message"
    """This message or its recipient: any other provider would most likely say the same."""

    PROVIDER = "provider"
    """The provider, or our account there: another provider may well take the message."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A provider's answer, classified.

    ``code`` is the protocol's own (SMTP reply, HTTP status) and ``enhanced_code`` RFC 3463's,
    as text; ``reason`` is a short stable word for the delivery (``greylisted``, ``gone``);
    ``detail`` is for people, without addresses or content, cut to 200 characters by the store.
    ``retry_after`` is in seconds, as the provider asked. ``suppress`` asks that the address be
    suppressed (a webhook's 410). ``fault`` is None where the outcome says enough: what is permanent
    is the message's, all else the provider's.
    """

    outcome: Outcome
    code: str | None = None
    enhanced_code: str | None = None
    reason: str | None = None
    detail: str | None = None
    retry_after: float | None = None
    suppress: bool = False
    fault: Fault | None = None

    @property
    def elsewhere(self) -> bool:
        """Whether another provider may be asked at once: nothing was handed over here."""
        if self.outcome is Outcome.PERMANENT:
            return self.fault is Fault.PROVIDER
        return self.outcome is Outcome.TRANSIENT

    @property
    def provider_failed(self) -> bool:
        """Whether this counts against the provider's health (the circuit breaker's)."""
        failed = self.outcome in (Outcome.TRANSIENT, Outcome.AMBIGUOUS)
        return failed and self.fault is not Fault.MESSAGE


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a delivery at one provider. Times are UTC, from the process that tried.

    ``earlier`` are the tries at other providers under the same claim, oldest first: this one, the
    last, is what the delivery is judged by, and all together count as one against its budget.
    """

    provider: str
    started_at: datetime
    finished_at: datetime
    reply: Reply
    earlier: "tuple[Attempt, ...]" = ()


@dataclass(frozen=True, slots=True)
class Deferred:
    """No provider could be asked now, and none was: no attempt.

    ``reason`` is ``provider_unavailable`` (circuit breakers are open), ``provider_busy`` (its
    connections are) or ``rate_limited``; ``retry_after`` is in seconds, when one may be free again.
    """

    reason: str
    retry_after: float
