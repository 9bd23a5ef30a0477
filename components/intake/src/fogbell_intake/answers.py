"""The shapes of answers, for the interface's document: what `views` and the endpoints write.

Nothing is built from these models. A run of generated requests holds every answer to them
(tests/integration/test_openapi_run.py). Clients must expect new fields, so none forbids any.
"""

from datetime import datetime
from typing import Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, JsonValue

from fogbell.model.api_key import KeyMode, Scope
from fogbell.model.content import Content
from fogbell.model.status import Channel, DeliveryStatus, Lane, NotificationStatus

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """One page of a list; ``next`` goes back as ``after``, and is null at the end."""

    items: list[T]
    next: str | None


class FieldErrorAnswer(BaseModel):
    """One thing that is wrong, at a JSON pointer into the body or in a parameter."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None


class ProblemAnswer(BaseModel):
    """RFC 9457. Branch on ``code``, which is stable; ``type`` is a page with what to do."""

    type: str
    code: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[FieldErrorAnswer] = []


class Links(BaseModel):
    """Where to look next."""

    self: str
    deliveries: str
    cancel: str
    replay: str


class AcceptedAnswer(BaseModel):
    """A post that is stored. ``expected`` deliveries are null until its expansion ends."""

    id: UUID
    status: NotificationStatus
    expected: int | None
    created_at: datetime
    links: Links


class BatchResult(BaseModel):
    """What one item would have been answered alone: ``notification`` or ``problem``."""

    status: int
    replayed: bool | None = None
    notification: AcceptedAnswer | None = None
    problem: ProblemAnswer | None = None


class BatchAnswer(BaseModel):
    """One result an item, in the order of the items."""

    results: list[BatchResult]


class Origin(BaseModel):
    """Where a notification came from."""

    type: str
    app: str | None


class PinnedTemplate(BaseModel):
    """The version that was the latest, or was asked for, when the notification was posted."""

    name: str
    version: int


class NotificationAnswer(BaseModel):
    """A notification. Totals are null in lists until they are final; ``as_of`` dates a summary.

    ``reason`` says why it does not go on: ``expansion_failed``, or null.
    """

    id: UUID
    status: NotificationStatus
    reason: str | None
    lane: Lane
    origin: Origin
    channels: list[Channel]
    template: PinnedTemplate | None
    topic: str | None
    reference: str | None
    metadata: dict[str, str]
    expected: int | None
    totals: dict[DeliveryStatus, int] | None
    by_channel: dict[Channel, dict[DeliveryStatus, int]] | None
    as_of: datetime | None
    created_at: datetime
    send_at: datetime | None
    expires_at: datetime | None
    expanded_at: datetime | None
    cancelled_at: datetime | None
    settled_at: datetime | None
    links: Links


class ReplayAnswer(NotificationAnswer):
    """The notification, and how many deliveries are back; null while pages go on."""

    replayed: int | None


class AttemptAnswer(BaseModel):
    """One try: accepted, permanent, transient, ambiguous or lease_expired in the end."""

    number: int | None
    provider: str | None
    outcome: str | None
    code: str | None
    enhanced_code: str | None
    detail: str | None
    started_at: datetime | None
    finished_at: datetime | None


class DeliveryAnswer(BaseModel):
    """One message to one address. ``address`` is shown only where the post gave it."""

    id: UUID
    notification_id: UUID
    recipient_id: str | None
    channel: Channel
    lane: Lane
    address: JsonValue
    status: DeliveryStatus
    settled: bool
    reason: str | None
    receipt: str | None
    not_before: datetime | None
    attempt_count: int
    lost_leases: int
    replays: int
    created_at: datetime
    settled_at: datetime | None
    attempts: list[AttemptAnswer]


class TokenAnswer(BaseModel):
    """A token that opens one recipient's inbox until it expires."""

    token: str
    expires_at: datetime


class TemplateAnswer(BaseModel):
    """One version of a template."""

    name: str
    version: int
    default_locale: str
    topic: str | None
    sample_data: dict[str, JsonValue]
    locales: dict[str, Content]


class PreviewAnswer(BaseModel):
    """Every part rendered, by channel, under the names that content has."""

    name: str
    version: int
    locale: str
    parts: dict[Channel, dict[str, JsonValue]]


class SuppressionAnswer(BaseModel):
    """An address that is not to be used."""

    channel: Channel
    address: str
    reason: str
    created_at: datetime


class ApiKeyAnswer(BaseModel):
    """A key, without the key itself."""

    id: str
    name: str
    app: str
    prefix: str
    scopes: list[Scope]
    mode: KeyMode
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    rate_limit: float | None


class NewApiKeyAnswer(ApiKeyAnswer):
    """A key with the key itself, which is shown here alone."""

    key: str


class InboxItemAnswer(BaseModel):
    """One item of an app's inbox."""

    id: UUID
    notification_id: UUID
    title: str
    body: str
    url: str
    data: dict[str, JsonValue]
    stored_at: datetime
    seen_at: datetime | None
    read_at: datetime | None
    archived_at: datetime | None


class InboxPage(Page[InboxItemAnswer]):
    """A page of items; ``unread`` counts up to 100."""

    unread: int


class Alive(BaseModel):
    """The process lives."""

    status: Literal["ok"]


class Readiness(BaseModel):
    """Whether posts can be accepted, and what is missing."""

    status: Literal["ready", "degraded", "unready"]
    mongodb: str
    rabbitmq: str
