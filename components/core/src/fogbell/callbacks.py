"""Callbacks: what an app is told, at its own endpoints, of what became of what it posted.

A callback is a notification of its own (origin ``callback``) on the webhook channel, with one
delivery for each event: claimed, tried, retried and deleted like any other. It is never told of
itself. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from fogbell.identity import delivery_id, uuid7
from fogbell.model.delivery import DeliveryView, NewDelivery
from fogbell.model.endpoint import Endpoint, EventType
from fogbell.model.notification import Audience, Notification, Origin, OriginType, Progress
from fogbell.model.status import Channel, Lane
from fogbell.store.notifications import Accept
from fogbell.views import Json, delivery, notification

LANE = Lane.BULK
"""A million events must never delay a password reset."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that an app is to be told; ``message`` is the body that its endpoints receive.

    ``subject`` is the id of what it is about, ``replays`` how often that has been replayed.
    """

    app: str
    type: EventType
    subject: UUID
    replays: int
    message: Json


def notification_settled(settled: Notification, totals: Progress, replays: int) -> Event:
    """That a notification is settled, with its final totals."""
    assert settled.settled_at is not None
    data = notification(settled, totals, settled.settled_at)
    return _event(EventType.NOTIFICATION_SETTLED, settled.origin, settled.id, replays, data)


def delivery_settled(settled: DeliveryView, origin: Origin, reference: str | None) -> Event:
    """That a delivery is settled; ``origin`` and ``reference`` are its notification's.

    Without its address and its attempts, which ``GET /v1/deliveries/{id}`` has: an event is kept by
    whoever receives it.
    """
    shown = delivery(settled)
    data = {name: shown[name] for name in shown if name not in ("address", "attempts")}
    data["reference"] = reference
    return _event(EventType.DELIVERY_SETTLED, origin, settled.id, settled.replays, data)


def _event(kind: EventType, origin: Origin, subject: UUID, replays: int, data: Json) -> Event:
    """``timestamp`` is when it happened, as Standard Webhooks has it."""
    told = {**data, "replays": replays, "mode": "test" if origin.simulate else "live"}
    message = {"type": kind.value, "timestamp": data["settled_at"], "data": told}
    return Event(origin.app, kind, subject, replays, message)


def callback(
    endpoint: Endpoint,
    events: Sequence[Event],
    now: datetime,
    look_after: timedelta,
    traceparent: str | None = None,
) -> Accept:
    """What tells ``endpoint`` of ``events``: a notification, and a delivery for each of them.

    Its sending is never simulated: a test key's own endpoints are what is to be tested.
    """
    posted = Notification(
        id=uuid7(),
        origin=Origin(OriginType.CALLBACK, endpoint.app),
        channels=(Channel.WEBHOOK,),
        lane=LANE,
        audience=Audience(),
        created_at=now,
        expanded_at=now,
        expected=len(events),
        expected_by_channel={Channel.WEBHOOK.value: len(events)},
        traceparent=traceparent,
    )
    new = [_delivery(posted.id, endpoint, event) for event in events]
    return Accept(posted, new, now + look_after, posted.status(now))


def _delivery(notification_id: UUID, endpoint: Endpoint, event: Event) -> NewDelivery:
    told = f"{event.type.value}:{event.subject}:{event.replays}"
    return NewDelivery(
        id=delivery_id(notification_id, endpoint.key, Channel.WEBHOOK, told),
        notification_id=notification_id,
        recipient_id=endpoint.key,
        channel=Channel.WEBHOOK,
        lane=LANE,
        inline={"endpoint": endpoint.id, "message": event.message},
    )
