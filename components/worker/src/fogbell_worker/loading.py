"""From claimed deliveries to work: what to say, to which address, and whether it may be said.

The notification's content is cached, since it never changes; its end (cancelled, expired), the
recipients and the suppressions are read after every claim, so that a late page, a corrected
address and a deleted person are all respected. So are senders' endpoints, which callbacks go to.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from fogbell.expansion.plan import Contents
from fogbell.identity import delivery_id
from fogbell.model.address import Addresses, PushAddress
from fogbell.model.content import Template, WebhookContent
from fogbell.model.delivery import Claimed
from fogbell.model.endpoint import Endpoint
from fogbell.model.notification import Notification, TemplateRef
from fogbell.model.recipient import Recipient
from fogbell.model.status import Cause, Channel
from fogbell.policy import Verdict, expired
from fogbell.rendering import RenderedWebhook
from fogbell.store import endpoints, notifications, recipients, suppressions, templates
from fogbell.store.database import Database
from fogbell.store.notifications import Ending
from fogbell.store.records import Record
from fogbell_worker.sending import Callback, Work

CACHED_NOTIFICATIONS = 256
CACHED_TEMPLATES = 64
"""A bulk run is one notification, a transactional post one each: what repeats is the template."""


_UNSAID = WebhookContent(type="callback")
"""Stands for the content of a callback, which has none."""


@dataclass(slots=True)
class Loaded:
    """What can be sent, and what is settled without an attempt."""

    works: list[Work] = field(default_factory=list)
    unsent: list[Record] = field(default_factory=list)


class Loader:
    """Loads what a batch of claimed deliveries needs: a handful of queries a batch."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._contents: OrderedDict[UUID, Contents] = OrderedDict()
        self._templates: OrderedDict[TemplateRef, Template] = OrderedDict()

    async def load(self, claimed: Sequence[Claimed]) -> Loaded:
        """Every delivery of ``claimed``, as work or as a settling record."""
        ids = {delivery.notification_id for delivery in claimed}
        contents, endings, people, told = await asyncio.gather(
            self._contents_of(ids),
            notifications.endings(self._db, ids),
            recipients.read_many(self._db, sorted(_directory_ids(claimed))),
            endpoints.read_many(self._db, _endpoint_ids(claimed)),
        )
        known = _Known(people, told)
        loaded, now = Loaded(), self._db.clock.now()
        for delivery in claimed:
            content = contents.get(delivery.notification_id)
            ending = endings.get(delivery.notification_id)
            made = _made(delivery, content, ending, known, now)
            if isinstance(made, Verdict):
                loaded.unsent.append(Record(delivery, made))
            else:
                loaded.works.append(made)
        await self._leave_out_suppressed(loaded)
        return loaded

    async def _contents_of(self, ids: set[UUID]) -> dict[UUID, Contents]:
        # The answer is a dictionary of its own: other batches evict from the cache meanwhile.
        contents = {i: known for i in ids if (known := self._contents.get(i))}
        missing = ids - contents.keys()
        if missing:
            found = await notifications.get_many(self._db, missing)
            refs = {n.template for n in found.values() if n.template}
            pinned = {ref: await self._template(ref) for ref in refs}
            for n in found.values():
                contents[n.id] = Contents(n, pinned[n.template] if n.template else None)
        self._contents.update(contents)
        for i in contents:
            self._contents.move_to_end(i)
        while len(self._contents) > CACHED_NOTIFICATIONS:
            self._contents.popitem(last=False)
        return contents

    async def _template(self, ref: TemplateRef) -> Template | None:
        """A pinned version, which never changes: one read for all posts that use it."""
        template = self._templates.get(ref)
        if template is None:
            template = await templates.get_pinned(self._db, ref.name, ref.version)
            if template is not None:
                self._templates[ref] = template
                if len(self._templates) > CACHED_TEMPLATES:
                    self._templates.popitem(last=False)
        return template

    async def _leave_out_suppressed(self, loaded: Loaded) -> None:
        keys = {key for work in loaded.works if (key := suppression_key(work))}
        if not keys:
            return
        held = await suppressions.suppressed(self._db, keys)
        if not held:
            return
        for work in loaded.works:
            if suppression_key(work) in held:
                skip = Verdict(Cause.SKIP, "suppressed")
                loaded.unsent.append(Record(work.delivery, skip))
        loaded.works = [w for w in loaded.works if suppression_key(w) not in held]


@dataclass(frozen=True, slots=True)
class _Known:
    """Who may be sent to, as they are now."""

    people: Mapping[str, Recipient]
    endpoints: Mapping[str, Endpoint]


def _directory_ids(claimed: Sequence[Claimed]) -> set[str]:
    return {
        d.recipient_id for d in claimed if not {"addresses", "endpoint"} & (d.inline or {}).keys()
    }


def _endpoint_ids(claimed: Sequence[Claimed]) -> set[str]:
    return {d.inline["endpoint"] for d in claimed if d.inline and "endpoint" in d.inline}


def _made(
    delivery: Claimed,
    content: Contents | None,
    ending: Ending | None,
    known: _Known,
    now: datetime,
) -> Work | Verdict:
    """What is to be done with one delivery."""
    if content is None or ending is None:
        return Verdict(Cause.GIVE_UP, "notification_deleted")
    if ending.cancelled_at is not None:
        return Verdict(Cause.CANCEL, "cancelled")
    if expired(ending.expires_at, now):
        return Verdict(Cause.SKIP, "expired")
    return _work(delivery, content, known)


def _work(delivery: Claimed, content: Contents, known: _Known) -> Work | Verdict:
    """The work of one delivery, or why there is none."""
    inline = delivery.inline or {}
    if "endpoint" in inline:
        told = Callback(inline["endpoint"], _message(inline["message"]))
        return _callback(delivery, content.notification, told, known.endpoints)
    if "addresses" in inline:
        addresses = recipients.addresses_value(inline["addresses"])
        locale, view = inline["locale"], _inline_view(inline)
    else:
        recipient = known.people.get(delivery.recipient_id)
        if recipient is None:
            return Verdict(Cause.SKIP, "recipient_deleted")
        addresses, locale = recipient.addresses, recipient.locale
        view = recipient.template_view()
    device = push_address(delivery, addresses) if delivery.channel is Channel.PUSH else None
    if not addresses.has(delivery.channel) or (delivery.channel is Channel.PUSH and not device):
        return Verdict(Cause.SKIP, "no_address")
    part = content.part(delivery.channel, locale)
    if part is None:
        return Verdict(Cause.GIVE_UP, "no_content")
    notification = content.notification
    data = notification.data | inline.get("data", {})
    return Work(delivery, notification, part, addresses, locale, view, data, device)


def _callback(
    delivery: Claimed, posted: Notification, told: Callback, known: Mapping[str, Endpoint]
) -> Work | Verdict:
    endpoint = known.get(told.endpoint)
    if endpoint is None:
        return Verdict(Cause.SKIP, "endpoint_deleted")
    if endpoint.disabled_at is not None:
        return Verdict(Cause.SKIP, "endpoint_disabled")
    return Work(delivery, posted, _UNSAID, endpoint.addresses, callback=told)


def _message(stored: Mapping[str, Any]) -> RenderedWebhook:
    moment = datetime.fromisoformat(stored["timestamp"])
    return RenderedWebhook(stored["type"], stored["data"], moment)


def push_address(delivery: Claimed, addresses: Addresses) -> PushAddress | None:
    """Which of the recipient's devices a delivery is for; None where it has been removed since.

    The record names none: its id was derived from one, and is derived again from each.
    """
    for device in addresses.push:
        made = delivery_id(
            delivery.notification_id, delivery.recipient_id, Channel.PUSH, device.key
        )
        if made == delivery.id:
            return device
    return None


def _inline_view(inline: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": None, "locale": inline["locale"], "attributes": {}}


def suppressible_address(work: Work) -> str | None:
    """The address that a suppression would name, if any may."""
    addresses, channel = work.addresses, work.delivery.channel
    if work.callback is not None:
        return None  # an endpoint is disabled, by itself
    if channel is Channel.PUSH:
        return work.push.suppressible if work.push else None
    if channel is Channel.WEBHOOK:
        return addresses.webhook.url if addresses.webhook else None
    if channel is Channel.EMAIL:
        return addresses.email
    return addresses.sms if channel is Channel.SMS else None


def suppression_key(work: Work) -> str | None:
    """Where to look for a suppression of this work's address."""
    address = suppressible_address(work)
    return suppressions.key(work.delivery.channel, address) if address else None
