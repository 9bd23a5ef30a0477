"""Who gets which delivery: for any audience, each channel of each person is answered for once."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from fogbell.expansion.plan import (
    Contents,
    Person,
    Planner,
    person_of_address,
    person_of_recipient,
)
from fogbell.identity import delivery_id
from fogbell.model.address import Addresses, AppriseAddress, PushAddress, WebhookAddress
from fogbell.model.content import Content, Template
from fogbell.model.delivery import NewDelivery
from fogbell.model.endpoint import EventType
from fogbell.model.notification import Audience, InlineAddress, Notification, Origin, OriginType
from fogbell.model.recipient import Reach, Recipient
from fogbell.model.status import Channel, DeliveryStatus, Lane

CONTENT = Content.model_validate(
    {
        "email": {"subject": "Fog", "text": "Bell."},
        "sms": {"text": "Bell."},
        "push": {"title": "Fog"},
        "webhook": {"type": "fog"},
        "apprise": {"body": "Bell."},
        "inbox": {"title": "{{ recipient.id }}: {{ data.what }}", "data": {"n": "{{ data.n }}"}},
    }
)

devices = st.builds(PushAddress, provider=st.just("fcm"), token=st.sampled_from("abc"))
addresses = st.builds(
    Addresses,
    email=st.sampled_from([None, "ann@example.org"]),
    sms=st.sampled_from([None, "+31612345678"]),
    push=st.lists(devices, max_size=4),
    webhook=st.sampled_from([None, WebhookAddress(url="https://example.org/hook")]),
    apprise=st.sampled_from([None, AppriseAddress(url=SecretStr("tgram://1:a/2"))]),
)
people = st.lists(
    st.builds(Person, key=st.text(min_size=1, max_size=5), addresses=addresses,
              in_directory=st.booleans()),
    unique_by=lambda person: person.key,
    max_size=8,
)  # fmt: skip
channels = st.lists(st.sampled_from(list(Channel)), unique=True, min_size=1)


def _planner(channels: list[Channel], **fields: Any) -> Planner:
    template = fields.pop("template", None)
    made: dict[str, Any] = {"content": CONTENT, "data": {"what": "fog"}} | fields
    notification = Notification(
        id=UUID("01900000-0000-7000-8000-000000000001"),
        origin=Origin(OriginType.API, "shop"),
        channels=tuple(channels),
        lane=Lane.BULK,
        audience=Audience(),
        **made,
    )
    return Planner(Contents(notification, template))


async def _one(person: Person, channel: Channel, **fields: Any) -> NewDelivery:
    (new,) = await _planner([channel], **fields).deliveries([person])
    return new


@given(people, channels, st.sampled_from([None, "expired"]))
async def test_each_channel_of_each_person_is_answered_for_and_no_id_twice(
    people: list[Person], channels: list[Channel], skip: str | None
) -> None:
    new = await _planner(channels).deliveries(people, skip=skip)
    assert len({delivery.id for delivery in new}) == len(new)
    for person in people:
        for channel in channels:
            own = [d for d in new if (d.recipient_id, d.channel) == (person.key, channel)]
            tokens = {device.token for device in person.addresses.push}
            wanted = len(tokens) if channel is Channel.PUSH else 1
            assert len(own) == max(1, wanted)
            assert all(d.status in _possible(person, channel, skip) for d in own)
    assert [(d.recipient_id, d.channel) for d in new] == sorted(
        ((d.recipient_id, d.channel) for d in new),
        key=lambda pair: (
            [p.key for p in people].index(pair[0]), channels.index(pair[1]),
        ),
    )  # fmt: skip


def _possible(person: Person, channel: Channel, skip: str | None) -> set[DeliveryStatus]:
    reachable = person.in_directory if channel is Channel.INBOX else person.addresses.has(channel)
    if skip or not reachable:
        return {DeliveryStatus.SKIPPED}
    return {DeliveryStatus.DELIVERED if channel is Channel.INBOX else DeliveryStatus.PENDING}


@given(people, channels)
async def test_a_second_plan_has_the_same_ids(
    people: list[Person], channels: list[Channel]
) -> None:
    plans = [await _planner(channels).deliveries(people) for _ in range(2)]
    assert [d.id for d in plans[0]] == [d.id for d in plans[1]]


plain = st.lists(
    st.sampled_from([Channel.EMAIL, Channel.SMS, Channel.WEBHOOK, Channel.APPRISE]),
    unique=True, min_size=1,
)  # fmt: skip
directory = st.lists(
    st.builds(Person, key=st.text(min_size=1, max_size=5), addresses=addresses),
    unique_by=lambda person: person.key,
    max_size=8,
)


@given(directory, plain, st.sampled_from([None, "expired"]), st.booleans())
async def test_who_is_known_by_reach_alone_gets_the_very_same_deliveries(
    people: list[Person], channels: list[Channel], skip: str | None, report: bool
) -> None:
    planner = _planner(channels, reports=frozenset([EventType.DELIVERY_SETTLED] * report))
    assert planner.takes_reach
    without = {c: {p.key for p in people if not p.addresses.has(c)} for c in channels}
    alike = planner.of_reach(Reach([person.key for person in people], without), skip)
    by_id = {new.id: new for group in alike for new in group.each()}
    wanted = await planner.deliveries(people, skip=skip)
    assert by_id == {new.id: new for new in wanted}
    assert sum(len(group.ids) for group in alike) == len(wanted)


@given(channels)
def test_reach_alone_is_not_enough_for_devices_and_rendered_items(channels: list[Channel]) -> None:
    assert _planner(channels).takes_reach == {Channel.PUSH, Channel.INBOX}.isdisjoint(channels)


async def test_the_id_is_of_notification_recipient_and_channel() -> None:
    new = await _one(Person("ann", Addresses(email="ann@example.org")), Channel.EMAIL)
    assert new.id == delivery_id(new.notification_id, "ann", Channel.EMAIL)


async def test_an_address_of_the_directory_is_not_copied_and_own_data_is_kept() -> None:
    ann = Recipient(id="ann", addresses=Addresses(email="ann@example.org"))
    assert (await _one(person_of_recipient(ann), Channel.EMAIL)).inline is None
    seated = person_of_recipient(ann, {"seat": "4A"})
    assert (await _one(seated, Channel.EMAIL)).inline == {"data": {"seat": "4A"}}


async def test_an_inline_address_is_all_there_is_of_somebody() -> None:
    inline = InlineAddress("~x", {"email": "x@example.org"}, "de", {"seat": "7C"})
    new = await _one(person_of_address(inline), Channel.EMAIL)
    assert new.inline == {
        "addresses": {"email": "x@example.org"}, "locale": "de", "data": {"seat": "7C"},
    }  # fmt: skip


async def test_who_is_not_in_the_directory_has_no_inbox() -> None:
    inline = InlineAddress("~x", {"email": "x@example.org"})
    new = await _one(person_of_address(inline), Channel.INBOX)
    assert (new.status, new.reason) == (DeliveryStatus.SKIPPED, "not_in_directory")


async def test_an_inbox_item_is_rendered_with_the_recipients_own_data_over_the_common() -> None:
    ann = Recipient(id="ann", addresses=Addresses())
    new = await _one(person_of_recipient(ann, {"n": 5}), Channel.INBOX, data={"what": "w", "n": 1})
    assert new.status is DeliveryStatus.DELIVERED
    assert new.item == {"title": "ann: w", "body": "", "url": "", "data": {"n": "5"}}


async def test_an_inbox_item_that_cannot_be_rendered_ends_that_delivery_alone() -> None:
    broken = Content.model_validate(
        {"inbox": {"title": "{% for i in (1..data.n) %}{{ data.x }}{% endfor %}"}}
    )
    both = [
        person_of_recipient(Recipient(id="calm"), {"n": 1, "x": "fog"}),
        person_of_recipient(Recipient(id="wild"), {"n": 9_000_000, "x": "fog" * 100}),
    ]
    calm, wild = await _planner([Channel.INBOX], content=broken).deliveries(both)
    assert calm.status is DeliveryStatus.DELIVERED
    assert (wild.status, wild.reason, wild.item) == (DeliveryStatus.DEAD, "template_error", None)


@pytest.mark.parametrize(("locale", "title"), [("de-AT", "Nebel"), ("fr", "Fog"), (None, "Fog")])
async def test_a_template_speaks_the_recipients_language_or_its_own(
    locale: str | None, title: str
) -> None:
    template = Template.model_validate(
        {
            "name": "t", "version": 1, "default_locale": "en",
            "locales": {"en": {"inbox": {"title": "Fog"}}, "de": {"inbox": {"title": "Nebel"}}},
        }
    )  # fmt: skip
    ann = Recipient(id="ann", locale=locale)
    new = await _one(person_of_recipient(ann), Channel.INBOX, template=template, content=None)
    assert new.item is not None
    assert new.item["title"] == title


async def test_a_recipient_who_has_left_is_answered_for_in_every_channel() -> None:
    new = _planner([Channel.EMAIL, Channel.INBOX]).deleted("ann")
    assert [(d.channel, d.status, d.reason) for d in new] == [
        (channel, DeliveryStatus.SKIPPED, "recipient_deleted")
        for channel in (Channel.EMAIL, Channel.INBOX)
    ]
