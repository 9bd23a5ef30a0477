"""From a checked body to what is stored: lookups, limits, and the plan of a small audience."""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from fogbell.expansion.plan import Contents, Person, Planner, person_of_address, person_of_recipient
from fogbell.expansion.turns import Turns
from fogbell.identity import inline_key, notification_id, uuid7
from fogbell.model.content import Template
from fogbell.model.delivery import NewDelivery
from fogbell.model.endpoint import EventType
from fogbell.model.matching import conditions
from fogbell.model.notification import (
    Audience,
    InlineAddress,
    NamedRecipient,
    Notification,
    Origin,
    OriginType,
    TemplateRef,
)
from fogbell.model.recipient import Recipient
from fogbell.model.status import Channel, DeliveryStatus, Lane
from fogbell.policy import BULK_AUDIENCE, lane_for
from fogbell.rendering import InvalidFieldError, TemplateSyntaxError, check_part
from fogbell.store import progress, templates
from fogbell.store.database import Database
from fogbell.store.notifications import Accept
from fogbell.telemetry import traces
from fogbell_intake import problem_types as types
from fogbell_intake.auth import Caller
from fogbell_intake.bodies import AddressBody, NamedBody, NotificationBody
from fogbell_intake.directory import Directory
from fogbell_intake.problems import FieldError, Problem, invalid, pointer

LONGEST_SCHEDULE = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class PostingSettings:
    """``expansion_grace``: when the sweep expands what the queue lost; ``look_after``: when it
    first looks whether all is settled; ``keep``: how long deliveries are retained after that;
    ``offered``: channels that have a worker, so that nothing waits for one that will never come;
    ``turns``: those that all posts of this process share, when inbox content is rendered.
    """

    expansion_grace: timedelta
    look_after: timedelta
    keep: timedelta
    offered: frozenset[Channel]
    turns: Turns = field(default_factory=Turns)


@dataclass(frozen=True)  # without slots: the id is cached on it
class Post:
    """One checked request: who posts what, under which idempotency key.

    ``request_hash``: of the canonical body, where there is a key to compare it under.
    ``reports``: which of its events the caller's app wants to be told.
    """

    caller: Caller
    body: NotificationBody
    request_hash: bytes | None = None
    idempotency_key: str | None = None
    reports: frozenset[EventType] = frozenset()

    @functools.cached_property
    def id(self) -> UUID:
        """Derived from the app and the key, or fresh; the same at each look."""
        if self.idempotency_key is None:
            return uuid7()
        return notification_id(self.caller.app, self.idempotency_key)


@dataclass(frozen=True, slots=True)
class Lookups:
    """Where a post's template and recipients are looked up."""

    db: Database
    directory: Directory


async def prepare(
    lookups: Lookups, post: Post, settings: PostingSettings, on_unknown: Callable[[], None]
) -> Accept:
    """Everything to store for ``post``; raises a 422 `Problem` and stores nothing."""
    db = lookups.db
    now = db.clock.now()
    body = post.body
    _check_times(body, now)
    _check_offered(body, settings.offered)
    _check_content(body)
    audience = _audience(body)
    template = await _template(db, body)
    people = await _named_people(lookups.directory, body.audience.recipients)
    notification = Notification(
        id=post.id,
        origin=Origin(OriginType.API, post.caller.app, simulate=post.caller.simulate),
        channels=tuple(body.channels),
        lane=_lane(body, audience),
        audience=audience,
        template=TemplateRef(template.name, template.version) if template else None,
        content=body.content,
        data=body.data,
        topic=body.topic,
        reference=body.reference,
        metadata=body.metadata,
        request_hash=post.request_hash,
        created_at=now,
        send_at=body.send_at,
        expires_at=body.expires_at,
        reports=post.reports,
        traceparent=traces.traceparent(),
    )
    if _expanded_later(notification, audience, now):
        return _later(notification, now, settings)
    planner = Planner(Contents(notification, template), on_unknown, settings.turns)
    new = await planner.deliveries(_people(audience, people))
    return _at_once(notification, new, now, settings)


def _check_times(body: NotificationBody, now: datetime) -> None:
    if body.expires_at is not None and body.expires_at <= now:
        raise invalid("#/expires_at", "expected a time to come")
    if body.send_at is not None and body.send_at > now + LONGEST_SCHEDULE:
        raise invalid("#/send_at", f"expected at most {LONGEST_SCHEDULE.days} days ahead")


def _check_offered(body: NotificationBody, offered: frozenset[Channel]) -> None:
    for index, channel in enumerate(body.channels):
        if channel not in offered:
            known = ", ".join(sorted(offered))
            raise invalid(
                pointer("channels", index),
                f"this installation does not offer the channel '{channel}'; it offers {known}",
            )


def _check_content(body: NotificationBody) -> None:
    content = body.content
    if content is None:
        return
    for channel in body.channels:
        part = content.part(channel)
        if part is None:
            raise Problem(
                types.MISSING_CHANNEL,
                f"'content' has no part for the channel '{channel}'.",
                [FieldError("this part is required", pointer("content", channel.value))],
            )
        try:
            check_part(part, channel)
        except TemplateSyntaxError as error:
            place = pointer("content", *error.path.split("/"))
            raise Problem(
                types.TEMPLATE_SYNTAX, f"{place}: {error.detail}", [FieldError(error.detail, place)]
            ) from None
        except InvalidFieldError as error:
            raise invalid(pointer("content", *error.path.split("/")), error.detail) from None


def _audience(body: NotificationBody) -> Audience:
    asked = body.audience
    try:
        conditions(asked.match)
    except ValueError as error:
        raise invalid("#/audience/match", str(error)) from None
    return Audience(
        recipients=_named(asked.recipients),
        addresses=_inline(asked.addresses),
        groups=tuple(dict.fromkeys(asked.groups)),
        match=asked.match,
    )


def _named(bodies: list[NamedBody]) -> tuple[NamedRecipient, ...]:
    """Each recipient once: the same twice is one, with different data it is a contradiction."""
    named: dict[str, NamedRecipient] = {}
    for index, body in enumerate(bodies):
        known = named.setdefault(body.id, NamedRecipient(body.id, body.data))
        if known.data != body.data:
            place = pointer("audience", "recipients", index)
            raise invalid(place, "this recipient is listed before, with other data")
    return tuple(named.values())


def _inline(bodies: list[AddressBody]) -> tuple[InlineAddress, ...]:
    inline: dict[str, InlineAddress] = {}
    for index, body in enumerate(bodies):
        addresses = body.addresses()
        key = inline_key(json.dumps(addresses, sort_keys=True))
        address = InlineAddress(key, addresses, body.locale, body.data)
        if inline.setdefault(key, address) != address:
            place = pointer("audience", "addresses", index)
            raise invalid(place, "this address is listed before, with another locale or data")
    return tuple(inline.values())


def _lane(body: NotificationBody, audience: Audience) -> Lane:
    """The lane asked for; a large or open-ended audience is bulk, whatever was asked."""
    natural = lane_for(audience.named, queries_directory=audience.queries_directory)
    if body.lane is Lane.TRANSACTIONAL and natural is Lane.BULK:
        raise Problem(
            types.BULK_ONLY,
            f"Groups, a match, or more than {BULK_AUDIENCE} people go by the bulk lane."
            " Leave 'lane' out, or ask for 'bulk'.",
            [FieldError("expected 'bulk' for this audience", "#/lane")],
        )
    return body.lane or natural


async def _template(db: Database, body: NotificationBody) -> Template | None:
    if body.template is None:
        return None
    template = await templates.get(db, body.template, body.template_version)
    if template is None:
        version = f" in version {body.template_version}" if body.template_version else ""
        raise Problem(
            types.UNKNOWN_TEMPLATE,
            f"No template '{body.template}'{version}. PUT /v1/templates/{body.template} first.",
            [FieldError("there is no such template", "#/template")],
        )
    for index, channel in enumerate(body.channels):
        if template.part(channel, None) is None:
            raise Problem(
                types.MISSING_CHANNEL,
                f"Template '{template.name}' version {template.version} has no part for the"
                f" channel '{channel}' in its default locale '{template.default_locale}'.",
                [FieldError("the template lacks this channel", pointer("channels", index))],
            )
    return template


async def _named_people(
    directory: Directory, named: Sequence[NamedBody]
) -> Mapping[str, Recipient]:
    """The named recipients; raises a 422 `Problem` that lists every unknown one."""
    if not named:
        return {}
    found = await directory.read({body.id for body in named})
    missing = [(index, body.id) for index, body in enumerate(named) if body.id not in found]
    if missing:
        first = missing[0][1]
        raise Problem(
            types.UNKNOWN_RECIPIENT,
            f"No recipient '{first}'. PUT /v1/recipients/{first} first.",
            [
                FieldError(f"no recipient '{name}'", pointer("audience", "recipients", index))
                for index, name in missing
            ],
        )
    return found


def _expanded_later(notification: Notification, audience: Audience, now: datetime) -> bool:
    if notification.send_at is not None and notification.send_at > now:
        return True
    return lane_for(audience.named, queries_directory=audience.queries_directory) is Lane.BULK


def _people(audience: Audience, found: Mapping[str, Recipient]) -> list[Person]:
    named = [person_of_recipient(found[n.id], n.data) for n in audience.recipients]
    return named + [person_of_address(address) for address in audience.addresses]


def _later(notification: Notification, now: datetime, settings: PostingSettings) -> Accept:
    send_at = notification.send_at
    scheduled = send_at is not None and send_at > now
    sweep_at = send_at if scheduled else now + settings.expansion_grace
    return Accept(notification, [], sweep_at, notification.status(now))


def _at_once(
    notification: Notification, new: list[NewDelivery], now: datetime, settings: PostingSettings
) -> Accept:
    by_channel: dict[str, int] = {}
    for delivery in new:
        by_channel[delivery.channel.value] = by_channel.get(delivery.channel.value, 0) + 1
    expanded = replace(
        notification, expanded_at=now, expected=len(new), expected_by_channel=by_channel
    )
    if not all(delivery.status.settled for delivery in new):
        return Accept(expanded, new, now + settings.look_after, expanded.status(now))
    reached = progress.summed(_counted(new))
    settled = replace(expanded, settled_at=now)
    frozen: dict[str, Any] = progress.frozen_fields(reached, now, settings.keep)
    return Accept(settled, new, None, settled.status(now), frozen)


def _counted(new: Sequence[NewDelivery]) -> dict[Channel, dict[DeliveryStatus, int]]:
    counts: dict[Channel, dict[DeliveryStatus, int]] = {}
    for delivery in new:
        statuses = counts.setdefault(delivery.channel, {})
        statuses[delivery.status] = statuses.get(delivery.status, 0) + 1
    return counts
