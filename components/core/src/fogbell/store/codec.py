"""Documents to values and back. The only place that spells the field names of a notification."""

from collections.abc import Mapping
from typing import Any

from fogbell.model.content import Content
from fogbell.model.delivery import DeliveryView, NewDelivery
from fogbell.model.endpoint import EventType
from fogbell.model.notification import (
    Audience,
    InlineAddress,
    NamedRecipient,
    Notification,
    Origin,
    OriginType,
    TemplateRef,
)
from fogbell.model.status import Channel, DeliveryStatus, Lane
from fogbell.store.database import Document

_TIMES = ("created_at", "send_at", "expires_at", "cancelled_at", "expanded_at", "settled_at")
_PLAIN = (
    "topic",
    "reference",
    "throttle_per_second",
    "request_hash",
    "expected",
    "expected_by_channel",
    "reason",
    "traceparent",
)


def notification_document(notification: Notification) -> Document:
    """What is stored: absent where a value is None, so that partial indexes stay small."""
    n = notification
    document: Document = {
        "_id": n.id,
        "origin": {
            "type": n.origin.type.value,
            "app": n.origin.app,
            "simulate": n.origin.simulate,
        },
        "channels": [c.value for c in n.channels],
        "lane": n.lane.value,
        "audience": _audience_document(n.audience),
        "data": n.data,
        "metadata": n.metadata,
    }
    if n.template:
        document["template"] = {"name": n.template.name, "version": n.template.version}
    if n.content:
        document["content"] = n.content.model_dump(by_alias=True, exclude_none=True)
    for name in (*_TIMES, *_PLAIN):
        value = getattr(n, name)
        if value is not None:
            document[name] = value
    if n.reports:
        document["reports"] = sorted(event.value for event in n.reports)
        # As on a delivery: true until its app has been told, then false (`store.reporting`).
        if EventType.NOTIFICATION_SETTLED in n.reports:
            document["report"] = True
    return document


def notification_value(document: Mapping[str, Any]) -> Notification:
    """The value of a stored notification."""
    origin, template, content = (document.get(k) for k in ("origin", "template", "content"))
    assert origin is not None
    return Notification(
        id=document["_id"],
        origin=Origin(OriginType(origin["type"]), origin["app"], origin["simulate"]),
        channels=tuple(Channel(c) for c in document["channels"]),
        lane=Lane(document["lane"]),
        audience=_audience_value(document.get("audience") or {}),
        template=TemplateRef(template["name"], template["version"]) if template else None,
        content=Content.model_validate(content) if content else None,
        data=document.get("data") or {},
        metadata=document["metadata"],
        reports=frozenset(EventType(word) for word in document.get("reports", ())),
        **{name: document.get(name) for name in (*_TIMES, *_PLAIN)},
    )


def _audience_document(audience: Audience) -> Document:
    document: Document = {}
    if audience.recipients:
        document["recipients"] = [
            {"id": r.id, "data": r.data} if r.data else {"id": r.id} for r in audience.recipients
        ]
    if audience.addresses:
        document["addresses"] = [
            {"key": a.key, "addresses": a.addresses, "locale": a.locale, "data": a.data}
            for a in audience.addresses
        ]
    if audience.groups:
        document["groups"] = list(audience.groups)
    if audience.match:
        document["match"] = audience.match
    if audience.everyone:
        document["everyone"] = True
    return document


def _audience_value(document: Mapping[str, Any]) -> Audience:
    return Audience(
        recipients=tuple(
            NamedRecipient(r["id"], r.get("data", {})) for r in document.get("recipients", ())
        ),
        addresses=tuple(
            InlineAddress(a["key"], a["addresses"], a["locale"], a["data"])
            for a in document.get("addresses", ())
        ),
        groups=tuple(document.get("groups", ())),
        match=document.get("match", {}),
        everyone=document.get("everyone", False),
    )


def delivery_view(document: Mapping[str, Any]) -> DeliveryView:
    """A stored delivery, whole."""
    return DeliveryView(
        id=document["_id"],
        notification_id=document["notification_id"],
        recipient_id=document["recipient_id"],
        channel=Channel(document["channel"]),
        lane=Lane(document["lane"]),
        status=DeliveryStatus(document["status"]),
        created_at=document["created_at"],
        reason=document.get("reason"),
        receipt=document.get("receipt"),
        not_before=document.get("not_before"),
        settled_at=document.get("settled_at"),
        attempt_count=document.get("attempt_count", 0),
        lost_leases=document.get("lost_leases", 0),
        replays=document.get("replays", 0),
        attempts=document.get("attempts", []),
        inline=document.get("inline"),
    )


def new_delivery_fields(new: NewDelivery) -> Document:
    """The fields of a delivery that its creator knows; times are added by the store."""
    document: Document = {
        "_id": new.id,
        "notification_id": new.notification_id,
        "recipient_id": new.recipient_id,
        "channel": new.channel.value,
        "lane": new.lane.value,
        "status": new.status.value,
        "claims": 0,
        "attempt_count": 0,
    }
    for name in ("reason", "not_before", "inline", "item"):
        value = getattr(new, name)
        if value is not None:
            document[name] = value
    if new.report:
        document["report"] = True
    if new.chunk is not None:
        document["chunk"] = new.chunk
    return document
