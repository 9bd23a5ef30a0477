"""The words of section 5 of the protocol, and which of them may follow which.

Pure: no driver, no clock. The store applies these transitions as compare-and-set; the state
diagram in docs/protocol.md is drawn from the same table and a test holds the two equal.
"""

from enum import StrEnum


class Channel(StrEnum):
    """How a recipient is reached. All but ``INBOX`` are pushed to a provider."""

    EMAIL = "email"
    SMS = "sms"
    PUSH = "push"
    WEBHOOK = "webhook"
    APPRISE = "apprise"
    INBOX = "inbox"


PUSH_CHANNELS = frozenset(set(Channel) - {Channel.INBOX})
"""The channels that a worker serves. ``INBOX`` is stored delivered, and pulled by the app."""


class Lane(StrEnum):
    """Which queue a delivery waits in, so that a campaign never delays a password reset."""

    TRANSACTIONAL = "transactional"
    BULK = "bulk"


class DeliveryStatus(StrEnum):
    """Where one delivery stands."""

    PENDING = "pending"
    SENDING = "sending"
    FAILED = "failed"
    DELIVERED = "delivered"
    DEAD = "dead"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    @property
    def settled(self) -> bool:
        """Whether nothing but an explicit replay changes it any more."""
        return self in SETTLED


class NotificationStatus(StrEnum):
    """Where one notification stands; derived from its fields, never stored."""

    SCHEDULED = "scheduled"
    EXPANDING = "expanding"
    SENDING = "sending"
    SETTLED = "settled"
    CANCELLED = "cancelled"


class Cause(StrEnum):
    """What moves a delivery from one status to the next."""

    CLAIM = "claim"
    ACCEPTED = "accepted"
    RETRY_LATER = "retry_later"
    GIVE_UP = "give_up"
    RELEASE = "release"
    SKIP = "skip"
    CANCEL = "cancel"
    LEASE_EXPIRED = "lease_expired"
    LATE_ACCEPTED = "late_accepted"
    REPLAY = "replay"


class IllegalTransitionError(ValueError):
    """A delivery was asked to do what its status does not allow."""

    def __init__(self, status: DeliveryStatus, cause: Cause) -> None:
        allowed = ", ".join(sorted(c for s, c in TRANSITIONS if s is status)) or "nothing"
        super().__init__(f"a {status} delivery does not take '{cause}'; it takes {allowed}")
        self.status = status
        self.cause = cause


_S = DeliveryStatus

SETTLED = frozenset({_S.DELIVERED, _S.DEAD, _S.SKIPPED, _S.CANCELLED})
OUTSTANDING = frozenset({_S.PENDING, _S.SENDING, _S.FAILED})
CLAIMABLE = frozenset({_S.PENDING, _S.FAILED})

TRANSITIONS: dict[tuple[DeliveryStatus, Cause], DeliveryStatus] = {
    (_S.PENDING, Cause.CLAIM): _S.SENDING,
    (_S.PENDING, Cause.SKIP): _S.SKIPPED,
    (_S.PENDING, Cause.CANCEL): _S.CANCELLED,
    (_S.SENDING, Cause.ACCEPTED): _S.DELIVERED,
    (_S.SENDING, Cause.RETRY_LATER): _S.FAILED,
    (_S.SENDING, Cause.GIVE_UP): _S.DEAD,
    (_S.SENDING, Cause.RELEASE): _S.PENDING,
    (_S.SENDING, Cause.SKIP): _S.SKIPPED,
    (_S.SENDING, Cause.CANCEL): _S.CANCELLED,
    (_S.SENDING, Cause.LEASE_EXPIRED): _S.FAILED,
    (_S.FAILED, Cause.CLAIM): _S.SENDING,
    (_S.FAILED, Cause.GIVE_UP): _S.DEAD,
    (_S.FAILED, Cause.CANCEL): _S.CANCELLED,
    (_S.FAILED, Cause.LATE_ACCEPTED): _S.DELIVERED,
    (_S.DELIVERED, Cause.REPLAY): _S.PENDING,
    (_S.DEAD, Cause.REPLAY): _S.PENDING,
    (_S.SKIPPED, Cause.REPLAY): _S.PENDING,
    (_S.CANCELLED, Cause.REPLAY): _S.PENDING,
}


def transition(status: DeliveryStatus, cause: Cause) -> DeliveryStatus:
    """The status that follows; raises `IllegalTransitionError` where the protocol has none."""
    try:
        return TRANSITIONS[status, cause]
    except KeyError:
        raise IllegalTransitionError(status, cause) from None


def sources(cause: Cause) -> frozenset[DeliveryStatus]:
    """Every status that takes ``cause``: what a compare-and-set filters on."""
    return frozenset(status for status, c in TRANSITIONS if c is cause)
