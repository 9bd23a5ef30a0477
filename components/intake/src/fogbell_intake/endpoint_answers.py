"""The shapes of answers about endpoints; see `answers`."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from fogbell.model.endpoint import EventType


class EndpointAnswer(BaseModel):
    """A sender's own webhook, without its secret. Nothing is sent to it from ``disabled_at`` on."""

    id: UUID
    app: str
    url: str
    events: list[EventType]
    description: str | None
    created_at: datetime
    disabled_at: datetime | None


class NewEndpointAnswer(EndpointAnswer):
    """An endpoint with the secret that signs what it is sent, which is shown here alone."""

    secret: str
