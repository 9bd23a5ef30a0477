"""What a provider is, what it is made from, and what it is given to send."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, Self, TypeVar, runtime_checkable
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fogbell.model.outcome import Reply
from fogbell.model.status import Channel, Lane

Content = TypeVar("Content")
Address = TypeVar("Address")
M = TypeVar("M", contravariant=True)
S = TypeVar("S", bound="ProviderSettings")

SHORTEST_WINDOW = 0.1
"""Seconds in which a rate is kept at the finest."""

NAME = r"^[a-z][a-z0-9_-]{0,31}$"
"""What a provider may be called, in settings, attempts and metrics."""


@dataclass(frozen=True, slots=True)
class Message(Generic[Content, Address]):
    """One delivery, rendered, for one recipient.

    ``content`` and ``address`` follow the channel: `RenderedEmail` and the mailbox as text,
    `RenderedSms` and the number (E.164), `RenderedPush` and a `PushAddress`, `RenderedWebhook` and
    a `WebhookAddress`, `RenderedApprise` and an `AppriseAddress`. ``idempotency_key`` is the same
    at each try; give it to the provider where it takes one. ``expires_at`` is when the message is
    worth nothing any more, or None. ``deadline`` is on the event loop's clock (``loop.time()``):
    `Provider.send` has to have returned by then, and is cancelled soon after.
    """

    content: Content
    address: Address
    delivery_id: UUID
    idempotency_key: str
    lane: Lane
    created_at: datetime
    expires_at: datetime | None
    deadline: float


class BusyError(Exception):
    """Nothing was tried: what there is to try it with was busy for too long. The next provider is
    asked, or the delivery is put back; it is no attempt, and says nothing of the provider's health.
    """


class Provider(Protocol[M]):
    """One way to serve a channel; made within the event loop that it is used in."""

    async def send(self, message: M) -> Reply:
        """Try once, until ``message.deadline``. Every ending is a `Reply`.

        Called many times at once. Cancelling it is allowed at any time. An exception is taken for
        *ambiguous*: nobody then knows whether the message was handed over.
        """

    async def close(self) -> None:
        """Close connections; sends under way have ended."""


@runtime_checkable
class Checks(Protocol[M]):
    """What a provider may have besides: it can tell what it would refuse without sending it."""

    def check(self, message: M) -> Reply | None:
        """The refusal of ``message``, or None. For messages that are simulated, not sent."""


class ProviderSettings(BaseModel):
    """Settings of one provider; each kind adds its own. All times are in seconds.

    Unknown settings are refused, and validation errors never repeat a value.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    send_timeout: float = Field(default=15.0, gt=0, le=300)
    """Seconds for one try: `Message.deadline` is so far ahead, or less where less is left."""

    rate_per_second: float | None = Field(default=None, gt=0, le=1_000_000)
    """Messages a second at most, over all workers together. None: as many as there are."""

    rate_burst: int | None = Field(default=None, ge=1, le=1_000_000)
    """Messages that may go at once within that rate. None: those of one second, at least one."""

    @model_validator(mode="after")
    def _rate_is_kept_in_steps(self) -> Self:
        rate, burst = self.rate_per_second, self.rate_burst
        if burst is not None and rate is None:
            raise ValueError("expected rate_burst together with rate_per_second")
        if burst is not None and rate is not None and burst < rate * SHORTEST_WINDOW:
            raise ValueError("expected rate_burst to be at least a tenth of rate_per_second")
        return self


@dataclass(frozen=True, slots=True)
class ProviderKind(Generic[S]):
    """What the entry point of a kind of provider names.

    ``settings`` is what ``FOGBELL_PROVIDER__<NAME>__*`` is read into, and ``create`` is called with
    it once for each lane that a process serves: connections are never shared by lanes.
    """

    channel: Channel
    settings: type[S]
    create: Callable[[S], Provider[Any]]
