"""The shapes of answers about recipients; see `answers`."""

from pydantic import BaseModel, JsonValue


class PushAddressAnswer(BaseModel):
    """One device."""

    provider: str
    token: str | None = None
    url: str | None = None


class WebhookAddressAnswer(BaseModel):
    """Secrets are counted, never shown."""

    url: str
    secret_count: int


class AppriseAddressAnswer(BaseModel):
    """The rest of the URL is secret, and never shown."""

    scheme: str


class AddressesAnswer(BaseModel):
    """Every way to reach one recipient."""

    email: str | None
    sms: str | None
    push: list[PushAddressAnswer]
    webhook: WebhookAddressAnswer | None
    apprise: AppriseAddressAnswer | None


class RecipientAnswer(BaseModel):
    """A recipient as stored."""

    id: str
    addresses: AddressesAnswer
    locale: str | None
    time_zone: str | None
    groups: list[str]
    attributes: dict[str, JsonValue]


class RejectedRecord(BaseModel):
    """A record of an import that was left out, by its line."""

    line: int
    detail: str


class ImportAnswer(BaseModel):
    """How an import ended; the first 1,000 rejected records are listed."""

    imported: int
    rejected: int
    errors: list[RejectedRecord]
    errors_truncated: bool
