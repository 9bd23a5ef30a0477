"""One push message, ready for whichever provider its device has, and what a provider is."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from fogbell.model.address import PushAddress
from fogbell.model.outcome import Reply
from fogbell.model.status import Lane
from fogbell.rendering import RenderedPush
from fogbell_worker.sending import Work


@dataclass(frozen=True, slots=True)
class PushMessage:
    """``id`` is the delivery's: providers show a message that comes twice once by it.

    ``ttl`` is in seconds: how long the provider keeps the message for a device that is off.
    ``urgent`` may wake a device that saves its battery.
    """

    id: UUID
    content: RenderedPush
    ttl: int
    urgent: bool
    now: datetime


def push_message(work: Work, content: RenderedPush, longest_ttl: int, now: datetime) -> PushMessage:
    """The message for one claimed delivery; it is not kept beyond the notification's end."""
    ttl, expires_at = longest_ttl, work.notification.expires_at
    if expires_at is not None:
        ttl = max(0, min(ttl, int((expires_at - now).total_seconds())))
    urgent = work.delivery.lane is Lane.TRANSACTIONAL
    return PushMessage(work.delivery.id, content, ttl, urgent, now)


class PushProvider(Protocol):
    """One way to reach devices."""

    async def send(self, message: PushMessage, device: PushAddress, deadline: float) -> Reply:
        """Try once, until ``deadline`` (the event loop's time). Raises only on cancellation."""

    async def close(self) -> None:
        """Close connections; sends under way must have ended."""
