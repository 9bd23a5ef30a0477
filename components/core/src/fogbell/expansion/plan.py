"""Who gets which delivery. Pure, but for giving way to the event loop.

A channel that cannot reach somebody is a delivery too, settled as skipped with its reason: the
record answers "did Ann get it?" either way.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from fogbell.expansion.turns import Turns
from fogbell.identity import delivery_id, delivery_ids
from fogbell.model.address import Addresses
from fogbell.model.content import Part, Template
from fogbell.model.delivery import Alike, NewDelivery
from fogbell.model.endpoint import EventType
from fogbell.model.notification import InlineAddress, Notification
from fogbell.model.recipient import Reach, Recipient
from fogbell.model.status import Channel, DeliveryStatus
from fogbell.rendering import (
    CompiledPart,
    RenderedInbox,
    RenderingError,
    compile_part,
    template_context,
)

Count = Callable[[], None]

_SENDABLE = (DeliveryStatus.PENDING, DeliveryStatus.SKIPPED)
"""What is sent now, or may be sent by a replay: an address may have come by then."""

_OF_REACH = frozenset({Channel.EMAIL, Channel.SMS, Channel.WEBHOOK, Channel.APPRISE})
"""One delivery a person, of which only its status hangs on them. (Push has one a device, and inbox
items are rendered.)
"""


@dataclass(frozen=True, slots=True)
class Person:
    """One member of the audience, from the directory or inline.

    ``key`` stands for them in the delivery's identity; ``view`` is what templates see.
    ``inline`` is kept on the delivery: all there is of somebody who is not in the directory, or
    the data that came with a named recipient.
    """

    key: str
    addresses: Addresses
    locale: str | None = None
    view: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    inline: dict[str, Any] | None = None
    in_directory: bool = True


def person_of_recipient(recipient: Recipient, data: dict[str, Any] | None = None) -> Person:
    """Somebody of the directory, with the data that the post gave them over the common data."""
    return Person(
        key=recipient.id,
        addresses=recipient.addresses,
        locale=recipient.locale,
        view=recipient.template_view(),
        data=data or {},
        inline={"data": data} if data else None,
    )


def person_of_address(address: InlineAddress) -> Person:
    """Somebody who is not in the directory: the delivery carries all there is of them."""
    return Person(
        key=address.key,
        addresses=Addresses.model_validate(address.addresses),
        locale=address.locale,
        view={"id": None, "locale": address.locale, "attributes": {}},
        data=address.data,
        inline={"addresses": address.addresses, "locale": address.locale, "data": address.data},
        in_directory=False,
    )


class Contents:
    """What a notification says, per channel and locale: its own content, or its template's."""

    def __init__(self, notification: Notification, template: Template | None) -> None:
        self.notification = notification
        self._template = template

    def part(self, channel: Channel, locale: str | None) -> Part | None:
        """The part to render, or None where there is none for this channel."""
        if self._template is not None:
            return self._template.part(channel, locale)
        content = self.notification.content
        return content.part(channel) if content else None


class Planner:
    """Plans one notification's deliveries; compiles its inbox content once per part.

    ``on_unknown`` is called for each unknown variable that a template names. Inbox content is
    rendered here, which may take long: planners of one process share its ``turns``.
    """

    def __init__(
        self, contents: Contents, on_unknown: Count | None = None, turns: Turns | None = None
    ) -> None:
        self.notification = contents.notification
        self._contents = contents
        self._on_unknown = on_unknown
        self._turns = turns or Turns()
        self._compiled: dict[int, CompiledPart] = {}

    async def deliveries(
        self, people: Iterable[Person], skip: str | None = None
    ) -> list[NewDelivery]:
        """Every delivery of ``people``, in their order and that of the channels.

        With ``skip`` none of them is to be sent or shown any more, for that reason.
        """
        new = await self._turns.flat_map(self._of_person, people)
        return new if skip is None else [_skip(delivery, skip) for delivery in new]

    @property
    def takes_reach(self) -> bool:
        """Whether it is enough to know who can be reached: then `of_reach` plans the directory."""
        return _OF_REACH.issuperset(self.notification.channels)

    def of_reach(self, reach: Reach, skip: str | None = None) -> list[Alike]:
        """What `deliveries` plans for the same people, those that are alike together.

        A page takes less than a turn, so it gives way to nobody.
        """
        channels = self.notification.channels
        return [new for channel in channels for new in self._alike(reach, channel, skip)]

    def _alike(self, reach: Reach, channel: Channel, skip: str | None) -> list[Alike]:
        nobody = Person(key="", addresses=Addresses())
        reached, missed = (
            self._new(nobody, channel),
            self._skipped(nobody, channel, "no_address"),
        )
        without = reach.without[channel]
        ids = delivery_ids(self.notification.id, channel)
        groups = [
            (
                reached if skip is None else _skip(reached, skip),
                [r for r in reach.ids if r not in without],
            ),
            (missed, [r for r in reach.ids if r in without]),
        ]
        return [Alike(pattern, [*map(ids, names)], names) for pattern, names in groups if names]

    def _of_person(self, person: Person) -> list[NewDelivery]:
        channels = self.notification.channels
        return [new for channel in channels for new in self._for_channel(person, channel)]

    def deleted(self, recipient_id: str) -> list[NewDelivery]:
        """What is recorded for a named recipient who has left the directory since."""
        gone = Person(key=recipient_id, addresses=Addresses())
        return [
            self._skipped(gone, channel, "recipient_deleted")
            for channel in self.notification.channels
        ]

    def _for_channel(self, person: Person, channel: Channel) -> list[NewDelivery]:
        if channel is Channel.INBOX:
            return [self._inbox(person)]
        if not person.addresses.has(channel):
            return [self._skipped(person, channel, "no_address")]
        if channel is Channel.PUSH:
            # A device that is listed twice is one: the second id would be the first's.
            keys = dict.fromkeys(device.key for device in person.addresses.push)
            return [self._new(person, channel, address=key) for key in keys]
        return [self._new(person, channel)]

    def _inbox(self, person: Person) -> NewDelivery:
        if not person.in_directory:
            return self._skipped(person, Channel.INBOX, "not_in_directory")
        try:
            rendered = self._render_inbox(person)
        except RenderingError:
            return self._new(
                person, Channel.INBOX, status=DeliveryStatus.DEAD, reason="template_error"
            )
        item = {
            "title": rendered.title,
            "body": rendered.body,
            "url": rendered.url,
            "data": rendered.data,
        }
        return self._new(person, Channel.INBOX, status=DeliveryStatus.DELIVERED, item=item)

    def _render_inbox(self, person: Person) -> RenderedInbox:
        part = self._contents.part(Channel.INBOX, person.locale)
        if part is None:
            raise RenderingError("inbox", "the template has no inbox part for this locale")
        compiled = self._compiled.get(id(part))
        if compiled is None:
            compiled = self._compiled[id(part)] = compile_part(part, Channel.INBOX)
        data = self.notification.data | person.data
        context = template_context(person.view, data, str(self.notification.id))
        rendered = compiled.render(context, self._on_unknown)
        assert isinstance(rendered, RenderedInbox)
        return rendered

    def _skipped(self, person: Person, channel: Channel, reason: str) -> NewDelivery:
        return self._new(person, channel, status=DeliveryStatus.SKIPPED, reason=reason)

    def _new(
        self,
        person: Person,
        channel: Channel,
        *,
        address: str | None = None,
        status: DeliveryStatus = DeliveryStatus.PENDING,
        reason: str | None = None,
        item: dict[str, Any] | None = None,
    ) -> NewDelivery:
        n = self.notification
        return NewDelivery(
            id=delivery_id(n.id, person.key, channel, address),
            notification_id=n.id,
            recipient_id=person.key,
            channel=channel,
            lane=n.lane,
            status=status,
            reason=reason,
            inline=person.inline if status in _SENDABLE else None,
            item=item,
            report=EventType.DELIVERY_SETTLED in n.reports,
        )


def _skip(new: NewDelivery, reason: str) -> NewDelivery:
    if new.status is DeliveryStatus.SKIPPED:
        return new
    return replace(new, status=DeliveryStatus.SKIPPED, reason=reason, inline=None, item=None)
