"""What a channel must offer to the worker's pipeline."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from fogbell.model.address import Addresses, PushAddress
from fogbell.model.content import Part
from fogbell.model.delivery import Claimed
from fogbell.model.notification import Notification
from fogbell.model.outcome import Attempt, Deferred
from fogbell.model.status import Channel
from fogbell.rendering import RenderedWebhook


@dataclass(frozen=True, slots=True)
class Callback:
    """An event for a sender's ``endpoint`` (its id); ``message`` is sent as it stands."""

    endpoint: str
    message: RenderedWebhook


@dataclass(frozen=True, slots=True)
class Work:
    """One claimed delivery with all that is needed to send it.

    ``part`` is the content for the delivery's channel in the recipient's locale: one and the same
    object for every delivery of a notification and locale, so that a channel can key what it
    compiles by ``(notification.id, locale)``. ``locale`` is that of the part's fall-back chain's
    start, or None. ``recipient`` is the template's view (never addresses), ``data`` the
    notification's data with the recipient's own over it. ``push`` is set for that channel: which
    of the recipient's devices this delivery is for. ``callback`` is set for those alone: then
    nothing is rendered.
    """

    delivery: Claimed
    notification: Notification
    part: Part
    addresses: Addresses
    locale: str | None = None
    recipient: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    push: PushAddress | None = None
    callback: Callback | None = None


class ChannelSender(Protocol):
    """Renders and sends over one channel. Never raises: every ending is a value."""

    channel: Channel

    async def send(self, work: Work) -> Attempt | Deferred:
        """Try once, within the channel's own time limit (`send_timeout`).

        `Deferred` where there was nobody to try it at.
        """

    @property
    def send_timeout(self) -> float:
        """Seconds after which `send` has certainly returned."""

    async def close(self) -> None:
        """Close pooled connections; sends under way must have ended."""
