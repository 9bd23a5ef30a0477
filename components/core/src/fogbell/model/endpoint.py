"""A sender's own webhook: where Fogbell tells an app what became of what it posted."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import SecretStr

from fogbell.model.address import Addresses, WebhookAddress


class EventType(StrEnum):
    """What a sender can be told of."""

    NOTIFICATION_SETTLED = "notification.settled"
    DELIVERY_SETTLED = "delivery.settled"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One document of ``endpoints``. ``secret`` (``whsec_...``) signs what is sent there.

    Nothing more is sent from ``disabled_at`` on: the receiver answered 410. Times are UTC.
    """

    id: str
    app: str
    url: str
    secret: SecretStr
    events: frozenset[EventType]
    created_at: datetime
    description: str | None = None
    disabled_at: datetime | None = None

    @property
    def key(self) -> str:
        """What stands for it where a delivery names its recipient; never a recipient's id."""
        return f"~endpoint:{self.id}"

    @property
    def addresses(self) -> Addresses:
        """Where it is reached, as a recipient's addresses are given to a channel."""
        return Addresses(webhook=WebhookAddress(url=self.url, secrets=[self.secret]))
