"""What intake answers, as types. Answers are plain dicts and may have more than is named here.

Ids and times are strings: UUIDs, and RFC 3339 in UTC. Words such as ``status`` are `str` and no
closed set, because new ones may come.
"""

from typing import Any, Generic, Required, TypedDict, TypeVar

Item = TypeVar("Item")
Json = dict[str, Any]


class Page(TypedDict, Generic[Item]):
    """A part of a list; ``next`` is the cursor of the part that follows, None at the end."""

    items: list[Item]
    next: str | None


class Links(TypedDict):
    """Where to look next."""

    self: str
    deliveries: str


class Accepted(TypedDict):
    """The answer to a post. ``expected`` is None until it is known."""

    id: str
    status: str
    expected: int | None
    created_at: str
    links: Links


class BatchResult(TypedDict, total=False):
    """What one item would have been answered alone: ``status`` 202, or that of its ``problem``."""

    status: Required[int]
    replayed: bool
    notification: Accepted
    problem: Json


class BatchAnswer(TypedDict):
    """A result for each item, in their order."""

    results: list[BatchResult]


class Origin(TypedDict):
    """Who posted: ``type`` is ``api``, ``campaign`` or ``callback``."""

    type: str
    app: str | None


class TemplateVersion(TypedDict):
    """A pinned version."""

    name: str
    version: int


class _Notification(TypedDict):
    id: str
    status: str
    reason: str | None
    lane: str
    origin: Origin
    channels: list[str]
    template: TemplateVersion | None
    topic: str | None
    reference: str | None
    metadata: dict[str, str]
    expected: int | None
    as_of: str | None
    created_at: str
    send_at: str | None
    expires_at: str | None
    expanded_at: str | None
    cancelled_at: str | None
    settled_at: str | None
    links: Links


class Notification(_Notification):
    """A notification; ``totals`` are its deliveries by status.

    ``as_of`` says of when they are, if they are a summary.
    """

    totals: dict[str, int]
    by_channel: dict[str, dict[str, int]]


class Replay(Notification):
    """A notification, and how many of its deliveries are back; None while that goes on."""

    replayed: int | None


class ListedNotification(_Notification):
    """A notification in a list: its totals are None until they are final."""

    totals: dict[str, int] | None
    by_channel: dict[str, dict[str, int]] | None


class Attempt(TypedDict):
    """One try at a provider."""

    number: int | None
    provider: str | None
    outcome: str | None
    code: str | None
    enhanced_code: str | None
    detail: str | None
    started_at: str | None
    finished_at: str | None


class Delivery(TypedDict):
    """One notification to one recipient over one channel. ``address`` is shown if it was inline."""

    id: str
    notification_id: str
    recipient_id: str | None
    channel: str
    lane: str
    address: Any
    status: str
    settled: bool
    reason: str | None
    receipt: str | None
    not_before: str | None
    attempt_count: int
    lost_leases: int
    created_at: str
    settled_at: str | None
    attempts: list[Attempt]


class Recipient(TypedDict):
    """A recipient as answered: secrets are counted, or left out."""

    id: str
    addresses: Json
    locale: str | None
    time_zone: str | None
    groups: list[str]
    attributes: Json


class BadLine(TypedDict):
    """A line that was not imported; lines count from 1."""

    line: int
    detail: str


class ImportReport(TypedDict):
    """How an import ended. The first bad lines are listed, ``rejected`` counts them all."""

    imported: int
    rejected: int
    errors: list[BadLine]
    errors_truncated: bool


class InboxToken(TypedDict):
    """What opens one recipient's inbox."""

    token: str
    expires_at: str


class Template(TypedDict):
    """One version of a template."""

    name: str
    version: int
    default_locale: str
    topic: str | None
    sample_data: Json
    locales: dict[str, dict[str, Json]]


class ListedTemplate(TypedDict):
    """The latest version of a template in a list: the locales that it has, not their texts."""

    name: str
    version: int
    default_locale: str
    topic: str | None
    locales: list[str]
    created_at: str


class Preview(TypedDict):
    """A rendered template, a part for each channel."""

    name: str
    version: int
    locale: str
    parts: dict[str, Json]


class Suppression(TypedDict):
    """An address that is not used."""

    channel: str
    address: str
    reason: str
    created_at: str


class ApiKey(TypedDict):
    """An API key, but for the key itself."""

    id: str
    name: str
    app: str
    prefix: str
    scopes: list[str]
    mode: str
    created_at: str
    expires_at: str | None
    last_used_at: str | None
    rate_limit: float | None


class NewApiKey(ApiKey):
    """``key`` is shown here and never again."""

    key: str


class Endpoint(TypedDict):
    """A sender's own webhook, but for its secret. None is sent to from ``disabled_at`` on."""

    id: str
    app: str
    url: str
    events: list[str]
    description: str | None
    created_at: str
    disabled_at: str | None


class NewEndpoint(Endpoint):
    """``secret`` signs what the endpoint is sent. It is shown here and never again."""

    secret: str


class InboxItem(TypedDict):
    """One item of a recipient's inbox."""

    id: str
    notification_id: str
    title: str
    body: str
    url: str
    data: Json
    stored_at: str
    seen_at: str | None
    read_at: str | None
    archived_at: str | None


class InboxPage(Page[InboxItem]):
    """``unread`` counts up to 100 among the newest items; show "99+"."""

    unread: int
