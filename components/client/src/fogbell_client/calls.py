"""Every route that an API key opens, as a function that builds its request. No I/O.

The methods of both clients are made from these: a function's arguments are the method's. Use them
by themselves for a single page of a list: ``client.run(calls.deliveries(id, page_size=20))``.

Methods raise `ProblemError` for what intake refuses, `UnreachableError` where it does not answer.
Ids are strings or UUIDs; bodies and answers are plain dicts of JSON, see docs/api.md.
"""

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from fogbell_client.bodies import (
    ApiKeyBody,
    BatchItem,
    Channel,
    DeliveryStatus,
    NotificationBody,
    NotificationStatus,
    Origin,
    PreviewBody,
    RecipientBody,
    TemplateBody,
    Time,
)
from fogbell_client.call import UPLOAD_TIMEOUT, Call, Id, Source, encode, path, query
from fogbell_client.documents import (
    Accepted,
    ApiKey,
    BatchAnswer,
    Delivery,
    ImportReport,
    InboxToken,
    ListedNotification,
    ListedTemplate,
    NewApiKey,
    Notification,
    Page,
    Preview,
    Recipient,
    Replay,
    Suppression,
    Template,
)
from fogbell_client.retrying import Repeat

JSON: Final = {"Content-Type": "application/json"}
_MEDIA_TYPES: Final = {
    ".csv": "text/csv",
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
}


# Notifications


def post(body: NotificationBody, *, idempotency_key: str | None = None) -> Call[Accepted]:
    """Post a notification; its record is durable when this returns.

    The same key never sends twice. Without one a fresh key is made, so that the retries of this
    call are safe; give one of your own to make repeating the whole call safe too.
    """
    key = idempotency_key or str(uuid.uuid4())
    headers = {**JSON, "Idempotency-Key": key}
    return Call("POST", path("notifications"), headers=headers, content=encode(body))


def post_batch(items: Sequence[NotificationBody | BatchItem]) -> Call[BatchAnswer]:
    """Post up to 100 notifications, each by itself: what is wrong with one changes no other.

    Items without an ``idempotency_key`` get a fresh one. The results are in the items' order;
    an item that was refused raises nothing, its result has a ``problem``.
    """
    keyed = [{"idempotency_key": str(uuid.uuid4()), **item} for item in items]
    content = encode({"items": keyed})
    return Call("POST", path("notifications", "batch"), headers=JSON, content=content)


def notifications(
    *,
    reference: str | None = None,
    status: NotificationStatus | None = None,
    created_after: Time | None = None,
    origin: Origin | None = None,
    page_size: int | None = None,
) -> Call[Page[ListedNotification]]:
    """Notifications, newest first; callbacks only where their ``origin`` is asked for."""
    given = query(
        reference=reference,
        status=status,
        created_after=created_after,
        origin=origin,
        limit=page_size,
    )
    return Call("GET", path("notifications"), given)


def notification(notification_id: Id) -> Call[Notification]:
    """A notification and its totals."""
    return Call("GET", path("notifications", notification_id))


def cancel(notification_id: Id) -> Call[Notification]:
    """Stop a notification: what is not settled yet is cancelled, and nothing more is sent.

    Large ones take a while after the answer; ``settled_at`` says when it is done.
    """
    return Call("POST", path("notifications", notification_id, "cancel"))


def replay(
    notification_id: Id,
    *,
    status: Sequence[DeliveryStatus] | None = None,
    channel: Channel | None = None,
) -> Call[Replay]:
    """Try settled deliveries again: the dead ones, or those of ``status``, of all channels or one.

    Not repeated after a lost answer, since what is delivered may be replayed, and sent, again.
    """
    given = {"status": status, "channel": channel}
    body = {name: value for name, value in given.items() if value is not None}
    return Call(
        "POST",
        path("notifications", notification_id, "replay"),
        headers=JSON,
        content=encode(body),
        repeat=Repeat.WITHOUT_EFFECT,
    )


def deliveries(
    notification_id: Id,
    *,
    status: DeliveryStatus | None = None,
    channel: Channel | None = None,
    page_size: int | None = None,
) -> Call[Page[Delivery]]:
    """A notification's deliveries, in the order of their ids."""
    given = query(status=status, channel=channel, limit=page_size)
    return Call("GET", path("notifications", notification_id, "deliveries"), given)


def delivery(delivery_id: Id) -> Call[Delivery]:
    """A delivery with its attempts."""
    return Call("GET", path("deliveries", delivery_id))


# Recipients


def put_recipient(recipient_id: str, body: RecipientBody) -> Call[Recipient]:
    """Create a recipient, or replace the whole of one."""
    return Call("PUT", path("recipients", recipient_id), headers=JSON, content=encode(body))


def recipient(recipient_id: str) -> Call[Recipient]:
    """A recipient of the directory."""
    return Call("GET", path("recipients", recipient_id))


def patch_recipient(recipient_id: str, changes: RecipientBody) -> Call[Recipient]:
    """Change a recipient by a merge patch (RFC 7396): None takes a field away, lists replace."""
    headers = {"Content-Type": "application/merge-patch+json"}
    content = encode(changes)
    return Call("PATCH", path("recipients", recipient_id), headers=headers, content=content)


def recipients(*, group: str | None = None, page_size: int | None = None) -> Call[Page[Recipient]]:
    """Recipients in the order of their ids, of one group or all."""
    return Call("GET", path("recipients"), query(group=group, limit=page_size))


def recipient_deliveries(
    recipient_id: str, *, page_size: int | None = None
) -> Call[Page[Delivery]]:
    """What a recipient got, newest first; also of one who has left the directory."""
    return Call("GET", path("recipients", recipient_id, "deliveries"), query(limit=page_size))


def delete_recipient(recipient_id: str) -> Call[None]:
    """Delete a recipient; ``not-found`` may also mean that a try whose answer was lost did it."""
    return Call("DELETE", path("recipients", recipient_id))


def import_recipients(source: Source, media_type: str | None = None) -> Call[ImportReport]:
    """Import recipients from ``source``; good lines are imported, bad ones reported.

    ``media_type`` is ``text/csv`` or ``application/x-ndjson``; a `Path` tells it by its suffix.
    Bytes and paths are sent again after a lost connection; a stream can be read only once.
    Raises ValueError for an unknown suffix, OSError for a file that cannot be read.
    """
    repeat = Repeat.ALWAYS if isinstance(source, bytes | Path) else Repeat.UNSENT
    return Call(
        "POST",
        path("recipients", "import"),
        headers={"Content-Type": media_type or media_type_of(source)},
        content=source,
        repeat=repeat,
        timeout=UPLOAD_TIMEOUT,
    )


def media_type_of(source: Source) -> str:
    """The kind that a path's suffix says. Raises ValueError, and TypeError for what has none."""
    if not isinstance(source, Path):
        raise TypeError("expected a media_type: only a Path tells it by its suffix")
    kind = _MEDIA_TYPES.get(source.suffix.lower())
    if kind is None:
        raise ValueError(f"{source.name}: expected a name that ends in {', '.join(_MEDIA_TYPES)}")
    return kind


def create_inbox_token(recipient_id: str) -> Call[InboxToken]:
    """A token that opens the recipient's inbox for a while; give it to their app."""
    return Call("POST", path("recipients", recipient_id, "tokens"))


# Templates


def put_template(name: str, body: TemplateBody) -> Call[Template]:
    """Store a version of a template; the same content as the latest makes none."""
    return Call("PUT", path("templates", name), headers=JSON, content=encode(body))


def templates(*, page_size: int | None = None) -> Call[Page[ListedTemplate]]:
    """The latest version of every template, without its texts, in the order of their names."""
    return Call("GET", path("templates"), query(limit=page_size))


def template(name: str, version: int | None = None) -> Call[Template]:
    """A version of a template, the latest if none is named."""
    if version is None:
        return Call("GET", path("templates", name))
    return Call("GET", path("templates", name, "versions", version))


def preview_template(name: str, body: PreviewBody | None = None) -> Call[Preview]:
    """A template rendered, for somebody to look at."""
    content = encode(body or {})
    return Call("POST", path("templates", name, "preview"), headers=JSON, content=content)


# Suppressions: addresses that are not to be used


def suppress(channel: Channel, address: str, *, reason: str | None = None) -> Call[Suppression]:
    """Stop using an address."""
    content = encode({"reason": reason})
    return Call("PUT", path("suppressions", channel, address), headers=JSON, content=content)


def suppression(channel: Channel, address: str) -> Call[Suppression]:
    """Why an address is not used; ``not-found`` where it may be."""
    return Call("GET", path("suppressions", channel, address))


def delete_suppression(channel: Channel, address: str) -> Call[None]:
    """Use an address again, from the next attempt on."""
    return Call("DELETE", path("suppressions", channel, address))


# API keys


def create_api_key(body: ApiKeyBody) -> Call[NewApiKey]:
    """Create an API key, which is shown in this answer and never again."""
    content, repeat = encode(body), Repeat.WITHOUT_EFFECT
    return Call("POST", path("api-keys"), headers=JSON, content=content, repeat=repeat)


def api_keys(*, page_size: int | None = None) -> Call[Page[ApiKey]]:
    """Every API key, without the keys themselves."""
    return Call("GET", path("api-keys"), query(limit=page_size))


def delete_api_key(key_id: Id) -> Call[None]:
    """Delete an API key; other replicas may take it for some seconds more."""
    return Call("DELETE", path("api-keys", key_id))
