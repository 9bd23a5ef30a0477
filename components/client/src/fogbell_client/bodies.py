"""What is posted, as types. Fields and limits are explained in docs/api.md; intake checks them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, Required, TypedDict

Channel = Literal["email", "sms", "push", "webhook", "apprise", "inbox"]
Lane = Literal["transactional", "bulk"]
Scope = Literal["send", "read", "manage", "inbox"]
KeyMode = Literal["live", "test"]
Origin = Literal["api", "campaign", "callback"]
EventType = Literal["notification.settled", "delivery.settled"]
NotificationStatus = Literal["scheduled", "expanding", "sending", "settled", "cancelled"]
DeliveryStatus = Literal[
    "pending", "sending", "failed", "delivered", "dead", "skipped", "cancelled"
]

Time = datetime | str
"""A datetime with a time zone, or RFC 3339 with an offset."""

JsonObject = Mapping[str, object]
"""Anything that JSON can say; datetimes and UUIDs are written as strings."""

Content = Mapping[str, JsonObject]
"""A part for each channel: ``{"email": {"subject": "Hi", "text": "Ring."}}``."""


class NamedRecipient(TypedDict, total=False):
    """Somebody of the directory, with data over the notification's own."""

    id: Required[str]
    data: JsonObject


class WebhookAddress(TypedDict, total=False):
    """Where to post, and the secrets to sign with, newest first."""

    url: Required[str]
    secrets: Sequence[str]


class AppriseAddress(TypedDict):
    """One target of a service that Apprise knows; all of the URL but its scheme is secret."""

    url: str


class PushAddress(TypedDict, total=False):
    """One device: the provider's name, and its token or URL."""

    provider: Required[str]
    token: str
    url: str


class Addresses(TypedDict, total=False):
    """Every way to reach one recipient; None takes one away in a patch."""

    email: str | None
    sms: str | None
    push: Sequence[PushAddress]
    webhook: WebhookAddress | None
    apprise: AppriseAddress | None


class InlineRecipient(Addresses, total=False):
    """Somebody who is not in the directory."""

    locale: str | None
    data: JsonObject


class Audience(TypedDict, total=False):
    """Who is meant; all of it adds up, and ``match`` narrows ``groups``."""

    recipients: Sequence[str | NamedRecipient]
    addresses: Sequence[InlineRecipient]
    groups: Sequence[str]
    match: JsonObject


class NotificationBody(TypedDict, total=False):
    """Body of ``POST /v1/notifications``; either ``content`` or ``template``."""

    audience: Required[Audience]
    channels: Required[Sequence[Channel]]
    content: Content
    template: str
    template_version: int | None
    data: JsonObject
    lane: Lane | None
    topic: str | None
    reference: str | None
    metadata: Mapping[str, str]
    send_at: Time | None
    expires_at: Time | None


class BatchItem(NotificationBody, total=False):
    """One notification of a batch, with the key of its own."""

    idempotency_key: str


class RecipientBody(TypedDict, total=False):
    """Body of ``PUT /v1/recipients/{id}``; in a patch, what is left out stays."""

    addresses: Addresses | None
    locale: str | None
    time_zone: str | None
    groups: Sequence[str]
    attributes: JsonObject


class TemplateBody(TypedDict, total=False):
    """Body of ``PUT /v1/templates/{name}``."""

    default_locale: str
    topic: str | None
    sample_data: JsonObject
    locales: Required[Mapping[str, Content]]


class PreviewBody(TypedDict, total=False):
    """Body of a preview; ``recipient`` is an id, or somebody made up."""

    version: int | None
    locale: str | None
    channel: Channel | None
    data: JsonObject | None
    recipient: str | JsonObject | None


class EndpointBody(TypedDict, total=False):
    """Body of ``POST /v1/endpoints``; the endpoint belongs to the key's app."""

    url: Required[str]
    events: Required[Sequence[EventType]]
    description: str | None


class ApiKeyBody(TypedDict, total=False):
    """Body of ``POST /v1/api-keys``."""

    name: Required[str]
    scopes: Required[Sequence[Scope]]
    app: str | None
    mode: KeyMode
    expires_at: Time | None
    rate_limit: float | None
