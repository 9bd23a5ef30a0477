"""What rendering gives: text for every field of one part, ready for its channel."""

from dataclasses import dataclass, field
from datetime import datetime

from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class RenderedEmail:
    """``subject``, ``from_``, ``reply_to`` and the headers' values are single lines."""

    subject: str
    text: str | None = None
    html: str | None = None
    from_: str | None = None
    reply_to: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RenderedSms:
    """One text message."""

    text: str


@dataclass(frozen=True, slots=True)
class RenderedPush:
    """``title`` is a single line."""

    title: str
    body: str = ""
    data: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RenderedWebhook:
    """``type`` is a single line; ``data`` is JSON. ``occurred_at``: if not at the creation."""

    type: str
    data: dict[str, JsonValue] = field(default_factory=dict)
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RenderedApprise:
    """``title`` is a single line, or empty."""

    title: str
    body: str


@dataclass(frozen=True, slots=True)
class RenderedInbox:
    """``title`` and ``url`` are single lines; ``data`` is JSON."""

    title: str
    body: str = ""
    url: str = ""
    data: dict[str, JsonValue] = field(default_factory=dict)


RenderedPart = (
    RenderedEmail | RenderedSms | RenderedPush | RenderedWebhook | RenderedApprise | RenderedInbox
)
