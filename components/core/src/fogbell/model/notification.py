"""The notification: what was posted, and how far its expansion is."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from fogbell.model.content import Content
from fogbell.model.endpoint import EventType
from fogbell.model.status import Channel, DeliveryStatus, Lane, NotificationStatus

Counts = dict[str, int]
"""Deliveries by status word; a status without deliveries may be absent."""


class OriginType(StrEnum):
    """Who asked for the notification."""

    API = "api"
    CAMPAIGN = "campaign"
    CALLBACK = "callback"
    """Fogbell itself: it tells an app what became of what the app has posted."""


@dataclass(frozen=True, slots=True)
class Origin:
    """``app`` owns the API key that posted, or is told by a callback; for a campaign it is
    ``namespace/name``.
    """

    type: OriginType
    app: str
    simulate: bool = False


@dataclass(frozen=True, slots=True)
class TemplateRef:
    """A template, pinned to the version that was current when the notification was posted."""

    name: str
    version: int


@dataclass(frozen=True, slots=True)
class NamedRecipient:
    """A directory recipient named in the audience, with data of its own over the notification's."""

    id: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InlineAddress:
    """Somebody who is not in the directory. ``addresses`` has the shape of a recipient's.

    ``key`` is what stands for the recipient in the delivery's identity: a hash of the addresses,
    prefixed with ``~`` so that it can never be a recipient's id.
    """

    key: str
    addresses: dict[str, Any]
    locale: str | None = None
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is meant. Named recipients and inline addresses come first, then the directory query."""

    recipients: tuple[NamedRecipient, ...] = ()
    addresses: tuple[InlineAddress, ...] = ()
    groups: tuple[str, ...] = ()
    match: dict[str, Any] = field(default_factory=dict)
    everyone: bool = False

    @property
    def queries_directory(self) -> bool:
        """Whether its size is known only by asking the directory."""
        return bool(self.groups or self.match or self.everyone)

    @property
    def named(self) -> int:
        """How many people it names itself."""
        return len(self.recipients) + len(self.addresses)


@dataclass(frozen=True, slots=True)
class Notification:
    """One document of ``notifications``. Times are UTC."""

    id: UUID
    origin: Origin
    channels: tuple[Channel, ...]
    lane: Lane
    audience: Audience
    template: TemplateRef | None = None
    content: Content | None = None
    data: dict[str, Any] = field(default_factory=dict)
    topic: str | None = None
    reference: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    throttle_per_second: int | None = None
    request_hash: bytes | None = None
    created_at: datetime | None = None
    send_at: datetime | None = None
    expires_at: datetime | None = None
    cancelled_at: datetime | None = None
    expanded_at: datetime | None = None
    settled_at: datetime | None = None
    expected: int | None = None
    expected_by_channel: Counts | None = None
    reason: str | None = None
    """Why it does not go on: its expansion has failed."""
    reports: frozenset[EventType] = frozenset()
    """Which of its events the app is to be told: decided when it was accepted."""
    traceparent: str | None = None
    """The W3C trace context in which it was accepted, where that is traced: its deliveries belong
    to that trace, or are linked to it, also hours later and in other processes."""

    def status(self, now: datetime) -> NotificationStatus:
        """What the interface shows, derived from the times that have passed."""
        if self.cancelled_at is not None:
            return NotificationStatus.CANCELLED
        if self.settled_at is not None:
            return NotificationStatus.SETTLED
        if self.send_at is not None and self.send_at > now:
            return NotificationStatus.SCHEDULED
        return NotificationStatus.SENDING if self.expanded_at else NotificationStatus.EXPANDING


@dataclass(frozen=True, slots=True)
class Progress:
    """Totals over a notification's deliveries.

    ``as_of`` is set where they are a summary written by a sweep, or where the run is expanding:
    then at least so many are delivered. None where all was counted for this answer, or is frozen.
    """

    totals: dict[DeliveryStatus, int]
    by_channel: dict[Channel, dict[DeliveryStatus, int]]
    as_of: datetime | None = None

    @property
    def outstanding(self) -> int:
        """How many are not settled yet."""
        return sum(count for status, count in self.totals.items() if not status.settled)
