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


@dataclass(frozen=True, slots=True)
class Reply:
    """A provider's answer, classified.

    ``code`` is the protocol's own (SMTP reply, HTTP status) and ``enhanced_code`` RFC 3463's,
    as text; ``reason`` is a short stable word for the delivery (``greylisted``, ``gone``);
    ``detail`` is for people, without addresses or content, cut to 200 characters by the store.
    ``retry_after`` is in seconds, as the provider asked. ``suppress`` asks that the address be
    suppressed (a webhook's 410).
    """

    outcome: Outcome
    code: str | None = None
    enhanced_code: str | None = None
    reason: str | None = None
    detail: str | None = None
    retry_after: float | None = None
    suppress: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a delivery at one provider. Times are UTC, from the process that tried."""

    provider: str
    started_at: datetime
    finished_at: datetime
    reply: Reply
