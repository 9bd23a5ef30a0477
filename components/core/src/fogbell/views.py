"""How notifications and deliveries are shown: the shapes of docs/api.md.

Intake answers with them and callbacks tell them: a sender reads one shape everywhere. Pure.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fogbell.model.delivery import DeliveryView
from fogbell.model.notification import Notification, Progress
from fogbell.model.status import Channel, DeliveryStatus, NotificationStatus

Json = dict[str, Any]


def rfc3339(moment: datetime) -> str:
    """``2026-12-01T09:00:00.000Z``: how every time leaves."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def rfc3339_or_none(moment: datetime | None) -> str | None:
    """As `rfc3339`; None stays None."""
    return None if moment is None else rfc3339(moment)


def links(notification_id: UUID | str) -> Json:
    """Where to look next."""
    own = f"/v1/notifications/{notification_id}"
    return {"self": own} | {name: f"{own}/{name}" for name in ("deliveries", "cancel", "replay")}


def notification(n: Notification, reached: Progress, now: datetime) -> Json:
    """A notification with its progress."""
    return _notification(n, reached, _status(n, reached, now))


def listed_notification(n: Notification, frozen: Progress | None, now: datetime) -> Json:
    """A notification in a list: its totals are null until they are final."""
    return _notification(n, frozen, n.status(now))


def _notification(n: Notification, reached: Progress | None, status: NotificationStatus) -> Json:
    assert n.created_at is not None
    return {
        "id": str(n.id),
        "status": status.value,
        "reason": n.reason,
        "lane": n.lane.value,
        "origin": {"type": n.origin.type.value, "app": n.origin.app},
        "channels": [channel.value for channel in n.channels],
        "template": {"name": n.template.name, "version": n.template.version}
        if n.template
        else None,
        "topic": n.topic,
        "reference": n.reference,
        "metadata": n.metadata,
        "expected": n.expected,
        **_totals(reached),
        "created_at": rfc3339(n.created_at),
        "send_at": rfc3339_or_none(n.send_at),
        "expires_at": rfc3339_or_none(n.expires_at),
        "expanded_at": rfc3339_or_none(n.expanded_at),
        "cancelled_at": rfc3339_or_none(n.cancelled_at),
        "settled_at": rfc3339_or_none(n.settled_at),
        "links": links(n.id),
    }


def _totals(reached: Progress | None) -> Json:
    if reached is None:
        return {"totals": None, "by_channel": None, "as_of": None}
    return {
        "totals": {status.value: reached.totals.get(status, 0) for status in DeliveryStatus},
        "by_channel": {
            channel.value: {status.value: count for status, count in statuses.items() if count}
            for channel, statuses in reached.by_channel.items()
        },
        "as_of": rfc3339_or_none(reached.as_of),
    }


def _status(n: Notification, reached: Progress, now: datetime) -> NotificationStatus:
    """Settled from the moment nothing is outstanding, even if the totals are frozen later."""
    status = n.status(now)
    settled = n.expanded_at is not None and not reached.outstanding
    return (
        NotificationStatus.SETTLED if status is NotificationStatus.SENDING and settled else status
    )


def delivery(d: DeliveryView) -> Json:
    """A delivery with its history. An inline address is shown; a directory one is not copied."""
    inline = d.inline or {}
    return {
        "id": str(d.id),
        "notification_id": str(d.notification_id),
        "recipient_id": None if d.recipient_id.startswith("~") else d.recipient_id,
        "channel": d.channel.value,
        "lane": d.lane.value,
        "address": _shown_address(d.channel, inline.get("addresses", {}).get(d.channel.value)),
        "status": d.status.value,
        "settled": d.status.settled,
        "reason": d.reason,
        "receipt": d.receipt,
        "not_before": rfc3339_or_none(d.not_before),
        "attempt_count": d.attempt_count,
        "lost_leases": d.lost_leases,
        "replays": d.replays,
        "created_at": rfc3339(d.created_at),
        "settled_at": rfc3339_or_none(d.settled_at),
        "attempts": [_attempt(entry) for entry in d.attempts],
    }


def _shown_address(channel: Channel, address: Any) -> Any:
    """A webhook's secrets are write-only, and so is a URL of Apprise behind its scheme."""
    if not isinstance(address, Mapping):
        return address
    url: str = address["url"]
    return f"{url.partition('://')[0]}://***" if channel is Channel.APPRISE else url


def _attempt(entry: Mapping[str, Any]) -> Json:
    shown = {
        name: entry.get(name)
        for name in ("number", "provider", "outcome", "code", "enhanced_code", "detail")
    }
    for name in ("started_at", "finished_at"):
        shown[name] = rfc3339_or_none(entry.get(name))
    return shown
