"""What follows from an outcome: when to try again, and when to give up.

Pure functions of values. Times are UTC, durations seconds. Randomness comes in as a number in
[0, 1), so that a test can name it.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from fogbell.model.outcome import Deferred, Outcome, Reply
from fogbell.model.status import Cause, Channel, Lane

BULK_AUDIENCE = 100
"""More people than this are bulk: a transactional post never waits behind its own size."""


SHORTEST_DEFERRAL, LONGEST_DEFERRAL = 1.0, 120.0
"""Seconds that a delivery waits when no provider could be asked: never a tight loop, and a tenth of
its age, so that a long outage is asked about ever more seldom."""


class Ambiguous(StrEnum):
    """What to do when a message may or may not have been handed over."""

    RETRY = "retry"
    GIVE_UP = "give_up"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long a delivery is tried.

    ``attempts`` and ``max_age`` bound it; the pause before try n+1 is drawn evenly from
    [0, min(``cap``, ``base`` x ``factor``^(n-1))] ("full jitter"), and is never shorter than what
    the provider asked for.
    """

    attempts: int = 8
    max_age: float = 72 * 3600.0
    base: float = 10.0
    factor: float = 3.0
    cap: float = 6 * 3600.0
    ambiguous: dict[Channel, Ambiguous] = field(
        default_factory=lambda: {Channel.SMS: Ambiguous.GIVE_UP}
    )

    def backoff(self, attempt: int, jitter: float, retry_after: float | None = None) -> float:
        """Seconds to wait after try number ``attempt`` (from 1); ``jitter`` is in [0, 1)."""
        # 64 doublings are beyond any cap, and keep the power finite.
        ceiling = min(self.cap, self.base * self.factor ** min(attempt - 1, 64))
        return max(ceiling * jitter, retry_after or 0.0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happens to a delivery after a try.

    ``cause`` is ``ACCEPTED``, ``RETRY_LATER`` or ``RELEASE`` (then ``delay`` seconds are set),
    ``GIVE_UP`` or ``CANCEL``. ``reason`` is what the record shows.
    """

    cause: Cause
    reason: str | None = None
    delay: float | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What a verdict depends on besides the reply.

    ``attempt`` is the number of this try, from 1; ``age`` is in seconds since the delivery was
    first allowed to be tried; ``cancelled`` and ``expired`` are the notification's state now.
    """

    channel: Channel
    attempt: int
    age: float
    cancelled: bool = False
    expired: bool = False


ACCEPTED = Verdict(Cause.ACCEPTED)
"""The usual one, wherever the delivery stands."""


def judge(reply: Reply, standing: Standing, policy: RetryPolicy, jitter: float) -> Verdict:
    """Turn a provider's reply into what happens to the delivery."""
    if reply.outcome is Outcome.ACCEPTED:
        return ACCEPTED
    if reply.outcome is Outcome.PERMANENT:
        return Verdict(Cause.GIVE_UP, reply.reason or "refused")
    if reply.outcome is Outcome.AMBIGUOUS and _gives_up_on_ambiguous(standing.channel, policy):
        return Verdict(Cause.GIVE_UP, "ambiguous")
    if standing.cancelled:
        return Verdict(Cause.CANCEL, "cancelled")
    if standing.expired:
        return Verdict(Cause.GIVE_UP, "expired")
    if standing.attempt >= policy.attempts:
        return Verdict(Cause.GIVE_UP, "attempts_exhausted")
    delay = policy.backoff(standing.attempt, jitter, reply.retry_after)
    if standing.age + delay > policy.max_age:
        return Verdict(Cause.GIVE_UP, "too_old")
    return Verdict(Cause.RETRY_LATER, reply.reason or reply.outcome.value, delay)


def judge_deferred(
    deferred: Deferred, standing: Standing, policy: RetryPolicy, jitter: float
) -> Verdict:
    """What happens to a delivery that no provider could be asked to take: it waits, uncounted.

    The attempts' budget stands, for nothing was tried; age, cancelling and expiry end it as ever.
    The wait is spread evenly over [half, one and a half] of the longest of the policy's first
    bound, a tenth of the delivery's age (up to `LONGEST_DEFERRAL`) and what the providers ask for.
    """
    if standing.cancelled:
        return Verdict(Cause.CANCEL, "cancelled")
    if standing.expired:
        return Verdict(Cause.GIVE_UP, "expired")
    aged = min(standing.age / 10, LONGEST_DEFERRAL)
    span = max(policy.base, deferred.retry_after, aged)
    delay = max(SHORTEST_DEFERRAL, deferred.retry_after, span * (0.5 + jitter))
    if standing.age + delay > policy.max_age:
        return Verdict(Cause.GIVE_UP, "too_old")
    return Verdict(Cause.RELEASE, deferred.reason, delay)


def _gives_up_on_ambiguous(channel: Channel, policy: RetryPolicy) -> bool:
    return policy.ambiguous.get(channel, Ambiguous.RETRY) is Ambiguous.GIVE_UP


def lane_for(people: int, *, queries_directory: bool) -> Lane:
    """The lane of an audience whose post names none."""
    bulk = queries_directory or people > BULK_AUDIENCE
    return Lane.BULK if bulk else Lane.TRANSACTIONAL


def last_start(claimed_at: float, lease: float, send_timeout: float, margin: float) -> float:
    """The latest moment, on the clock of ``claimed_at``, at which a send may still start.

    A send started by then has returned, and its outcome can be recorded, before the lease ends.
    """
    return claimed_at + lease - send_timeout - margin


def next_grace(grace: float, releases: int, cap: float) -> float:
    """Seconds until a released delivery is looked at again: doubled at each release."""
    return min(cap, grace * 2.0 ** min(releases, 64))


def expired(expires_at: datetime | None, now: datetime) -> bool:
    """Whether a notification may no longer be sent."""
    return expires_at is not None and expires_at <= now


@dataclass(frozen=True, slots=True)
class Retention:
    """How long what is settled is kept."""

    deliveries: timedelta = timedelta(days=30)
    notifications: timedelta = timedelta(days=90)
    inbox: timedelta = timedelta(days=90)

    @property
    def shortest(self) -> timedelta:
        """How long after it settled there is something of a notification to delete."""
        return min(self.deliveries, self.notifications, self.inbox)
