"""What is said: content per channel, and templates that hold it per locale.

Every text is Liquid source; `fogbell.rendering` compiles it. Limits are in characters of source.
"""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

from fogbell.model.address import Email
from fogbell.model.recipient import Locale
from fogbell.model.status import Channel

MAX_SOURCE = 200_000
Line = Annotated[str, Field(max_length=2_000)]
Body = Annotated[str, Field(max_length=MAX_SOURCE)]

ALLOWED_HEADERS = frozenset(
    {
        "auto-submitted",
        "feedback-id",
        "importance",
        "in-reply-to",
        "list-id",
        "list-unsubscribe",
        "list-unsubscribe-post",
        "precedence",
        "references",
        "x-entity-ref-id",
        "x-priority",
    }
)
"""The e-mail headers that a post may set, in lower case; the rest are Fogbell's."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class EmailContent(_Part):
    """``from`` is an address with an optional name: ``Shop <shop@example.org>``."""

    subject: Line = Field(min_length=1)
    text: Body | None = None
    html: Body | None = None
    from_: Line | None = Field(default=None, alias="from")
    reply_to: Email | None = None
    headers: dict[str, Line] = Field(default_factory=dict)

    @field_validator("subject", "from_", "headers")
    @classmethod
    def _one_line(cls, value: str | dict[str, str] | None) -> str | dict[str, str] | None:
        texts = value.values() if isinstance(value, dict) else [value or ""]
        if any("\r" in text or "\n" in text for text in texts):
            raise ValueError("expected a single line: CR and LF are not allowed in a header")
        return value

    @field_validator("headers")
    @classmethod
    def _allowed(cls, value: dict[str, str]) -> dict[str, str]:
        refused = sorted(name for name in value if name.lower() not in ALLOWED_HEADERS)
        if refused:
            allowed = ", ".join(sorted(ALLOWED_HEADERS))
            raise ValueError(f"header {refused[0]!r} cannot be set; allowed are {allowed}")
        return value

    @model_validator(mode="after")
    def _some_body(self) -> Self:
        if self.text is None and self.html is None:
            raise ValueError("expected 'text', 'html' or both")
        return self


class SmsContent(_Part):
    """One text message."""

    text: Body = Field(min_length=1)


class PushContent(_Part):
    """One push message; ``data`` reaches the app as it stands."""

    title: Line = Field(min_length=1)
    body: Body = ""
    data: dict[str, str] = Field(default_factory=dict, max_length=100)


class WebhookContent(_Part):
    """Sent as ``{"type", "timestamp", "data"}``; strings within ``data`` are Liquid."""

    type: Line = Field(min_length=1)
    data: dict[str, JsonValue] = Field(default_factory=dict)


class AppriseContent(_Part):
    """One plain message to a chat or another service; ``title`` is a single line."""

    title: Line = ""
    body: Body = Field(min_length=1)


class InboxContent(_Part):
    """One item of an app's inbox; strings within ``data`` are Liquid."""

    title: Line = Field(min_length=1)
    body: Body = ""
    url: Line = ""
    data: dict[str, JsonValue] = Field(default_factory=dict)


Part = EmailContent | SmsContent | PushContent | WebhookContent | AppriseContent | InboxContent


class Content(_Part):
    """One part per channel; a channel without a part cannot be sent."""

    email: EmailContent | None = None
    sms: SmsContent | None = None
    push: PushContent | None = None
    webhook: WebhookContent | None = None
    apprise: AppriseContent | None = None
    inbox: InboxContent | None = None

    def part(self, channel: Channel) -> Part | None:
        """The part for ``channel``, or None."""
        part: Part | None = getattr(self, channel.value)
        return part


TemplateName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class Template(_Part):
    """One version of a template, as stored; versions count from 1 and never change."""

    name: TemplateName
    version: int = Field(ge=1)
    default_locale: Locale = "en"
    topic: str | None = Field(default=None, max_length=100)
    sample_data: dict[str, JsonValue] = Field(default_factory=dict)
    locales: dict[Locale, Content] = Field(min_length=1, max_length=200)

    def part(self, channel: Channel, locale: str | None) -> Part | None:
        """The part to use: ``de-AT``, then ``de``, then the template's default locale."""
        for candidate in locale_chain(locale, self.default_locale):
            content = self.locales.get(candidate)
            part = content.part(channel) if content else None
            if part is not None:
                return part
        return None


def locale_chain(locale: str | None, default: str) -> list[str]:
    """``("de-AT", "en")`` gives ``["de-AT", "de", "en"]``: where to look, in order."""
    chain: list[str] = []
    while locale:
        chain.append(locale)
        locale = locale.rpartition("-")[0]
    if default not in chain:
        chain.append(default)
    return chain
