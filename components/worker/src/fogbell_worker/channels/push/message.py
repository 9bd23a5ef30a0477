"""One push message, as both providers need it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fogbell.model.address import PushAddress
from fogbell.model.status import Lane
from fogbell.rendering import RenderedPush
from fogbell_worker.providers import Message

ToDevice = Message[RenderedPush, PushAddress]


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


def push_message(message: ToDevice, longest_ttl: int, now: datetime) -> PushMessage:
    """The message for one delivery; it is not kept beyond the notification's end."""
    ttl, expires_at = longest_ttl, message.expires_at
    if expires_at is not None:
        ttl = max(0, min(ttl, int((expires_at - now).total_seconds())))
    urgent = message.lane is Lane.TRANSACTIONAL
    return PushMessage(message.delivery_id, message.content, ttl, urgent, now)
