"""The body of a post, checked for everything that needs no database."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from fogbell.model.address import RECIPIENT_ID, Addresses, RecipientId
from fogbell.model.content import Content, TemplateName
from fogbell.model.recipient import Group, Locale
from fogbell.model.status import Channel, Lane
from fogbell_intake.limits import MAX_NAMED
from fogbell_intake.parsing import Timestamp

Data = dict[str, JsonValue]
Label = Annotated[str, Field(min_length=1, max_length=200)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _or_bare_id(schema: dict[str, Any]) -> None:
    named = dict(schema)
    schema.clear()
    schema["anyOf"] = [{"type": "string", "pattern": RECIPIENT_ID}, named]


class NamedBody(_Body):
    """``{"id": "bob", "data": {"seat": "4A"}}``; a bare string is the id alone."""

    model_config = ConfigDict(json_schema_extra=_or_bare_id)

    id: RecipientId
    data: Data = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _bare_id(cls, value: object) -> object:
        return {"id": value} if isinstance(value, str) else value


class AddressBody(Addresses):
    """Somebody who is not in the directory: addresses, and what a recipient would bring along."""

    locale: Locale | None = None
    data: Data = Field(default_factory=dict)

    @model_validator(mode="after")
    def _some_address(self) -> Self:
        if not (self.email or self.sms or self.push or self.webhook or self.apprise):
            raise ValueError("expected an address: email, sms, push, webhook or apprise")
        return self

    def addresses(self) -> dict[str, Any]:
        """The addresses alone, as a delivery stores them; secrets in the clear."""
        stored = self.model_dump(
            include={"email", "sms", "push"}, exclude_none=True, exclude_defaults=True
        )
        if self.webhook is not None:
            secrets = [secret.get_secret_value() for secret in self.webhook.secrets]
            stored["webhook"] = {"url": self.webhook.url, "secrets": secrets}
        if self.apprise is not None:
            stored["apprise"] = {"url": self.apprise.url.get_secret_value()}
        return stored


class AudienceBody(_Body):
    """Who is meant: at least one of the lists, or a match."""

    recipients: list[NamedBody] = Field(default_factory=list, max_length=MAX_NAMED)
    addresses: list[AddressBody] = Field(default_factory=list, max_length=MAX_NAMED)
    groups: list[Group] = Field(default_factory=list, max_length=100)
    match: Data = Field(default_factory=dict)

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if not (self.recipients or self.addresses or self.groups or self.match):
            raise ValueError("expected recipients, addresses, groups or a match")
        if len(self.recipients) + len(self.addresses) > MAX_NAMED:
            raise ValueError(
                f"expected at most {MAX_NAMED} recipients and addresses together;"
                " put more people into a group"
            )
        return self


class NotificationBody(_Body):
    """``POST /v1/notifications``."""

    audience: AudienceBody
    channels: list[Channel] = Field(min_length=1, max_length=len(Channel))
    template: TemplateName | None = None
    template_version: int | None = Field(default=None, ge=1)
    content: Content | None = None
    data: Data = Field(default_factory=dict)
    lane: Lane | None = None
    topic: Label | None = None
    reference: Label | None = None
    metadata: dict[Label, Annotated[str, Field(max_length=500)]] = Field(
        default_factory=dict, max_length=50
    )
    send_at: Timestamp | None = None
    expires_at: Timestamp | None = None

    @model_validator(mode="after")
    def _one_source_of_content(self) -> Self:
        if (self.template is None) == (self.content is None):
            raise ValueError("expected either 'template' or 'content'")
        if self.template_version is not None and self.template is None:
            raise ValueError("'template_version' goes with 'template'")
        if len(set(self.channels)) != len(self.channels):
            raise ValueError("expected each of 'channels' once")
        return self

    @model_validator(mode="after")
    def _times_in_order(self) -> Self:
        if self.send_at and self.expires_at and self.expires_at <= self.send_at:
            raise ValueError("expected 'expires_at' to be later than 'send_at'")
        return self
