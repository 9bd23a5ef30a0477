"""The delivery: the record that is claimed, attempted and settled."""

from collections.abc import Container, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from fogbell.model.status import Channel, DeliveryStatus, Lane


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """What the expansion inserts.

    ``status`` is ``pending``, ``skipped`` (with ``reason``) or, for the inbox, ``delivered`` with
    the rendered ``item``. ``inline`` holds the address and data of somebody who is not in the
    directory: ``{"addresses": ..., "locale": ..., "data": ...}``; ``data`` alone where a named
    recipient came with data of its own; for a callback ``{"endpoint": id, "message": ...}``.
    ``report``: once it is settled its app is told. ``chunk``: the token of those that are published
    in one message and leased together, where there are many.
    """

    id: UUID
    notification_id: UUID
    recipient_id: str
    channel: Channel
    lane: Lane
    status: DeliveryStatus = DeliveryStatus.PENDING
    reason: str | None = None
    not_before: datetime | None = None
    inline: dict[str, Any] | None = None
    item: dict[str, Any] | None = None
    report: bool = False
    chunk: str | None = None


@dataclass(frozen=True, slots=True)
class Alike:
    """New deliveries that differ in whom they are for, and so in their ids, and in nothing else.

    ``pattern`` is all that they share: its own id and recipient stand for nobody. ``ids`` (16 bytes
    each) and ``recipients`` are those of the same deliveries, in the same order.
    """

    pattern: NewDelivery
    ids: list[bytes]
    recipients: list[str]

    def without(self, refused: Container[bytes]) -> "Alike":
        """Those whose ids are not ``refused``."""
        left = [
            pair for pair in zip(self.ids, self.recipients, strict=True) if pair[0] not in refused
        ]
        return Alike(self.pattern, [i for i, _ in left], [r for _, r in left])

    def each(self) -> Iterator[NewDelivery]:
        """The deliveries one by one."""
        for i, recipient in zip(self.ids, self.recipients, strict=True):
            yield replace(self.pattern, id=UUID(bytes=i), recipient_id=recipient)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery under this process's lease.

    ``attempt_count`` counts the tries that ended with an answer in the present budget,
    ``lost_leases`` those that ended with the process; ``replays`` makes the provider's
    idempotency key. ``token`` fences every later write; where it is ``chunked``, that is its
    chunk's. ``doubtful`` is the provider whose answer to the last try was ambiguous: the next one
    begins at another, where there is one.
    """

    id: UUID
    token: str
    notification_id: UUID
    recipient_id: str
    channel: Channel
    lane: Lane
    created_at: datetime
    attempt_count: int = 0
    lost_leases: int = 0
    replays: int = 0
    replayed_at: datetime | None = None
    inline: dict[str, Any] | None = None
    doubtful: str | None = None
    chunked: bool = False

    @property
    def since(self) -> datetime:
        """When the present budget began: at the creation, or the last replay."""
        return self.replayed_at or self.created_at

    @property
    def idempotency_key(self) -> str:
        """What the provider is given to recognise a repeat: the id, and the replay's number."""
        return f"{self.id}-{self.replays}" if self.replays else str(self.id)


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """A whole delivery record, for reading."""

    id: UUID
    notification_id: UUID
    recipient_id: str
    channel: Channel
    lane: Lane
    status: DeliveryStatus
    created_at: datetime
    reason: str | None = None
    receipt: str | None = None
    not_before: datetime | None = None
    settled_at: datetime | None = None
    attempt_count: int = 0
    lost_leases: int = 0
    replays: int = 0
    attempts: list[dict[str, Any]] = field(default_factory=list)
    inline: dict[str, Any] | None = None
