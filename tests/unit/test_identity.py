"""Ids come out the same however often they are asked for, and different where they must."""

import itertools
import re
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from fogbell import identity
from fogbell.identity import SLICES, delivery_id, delivery_ids, delivery_range, delivery_slices
from fogbell.model.address import RECIPIENT_ID
from fogbell.model.status import Channel

notifications = st.one_of(st.uuids(), st.builds(identity.uuid7))
words = st.text(max_size=40)
channels = st.sampled_from(Channel)


def _layout(value: UUID) -> tuple[str, int | None]:
    return value.variant, value.version


@given(words, words)
def test_derived_ids_are_version_8_and_always_the_same(app: str, key: str) -> None:
    for derive in (identity.notification_id, identity.run_id):
        assert derive(app, key) == derive(app, key)
        assert _layout(derive(app, key)) == ("specified in RFC 4122", 8)
    assert identity.notification_id(app, key) != identity.run_id(app, key)


@given(st.tuples(words, words), st.tuples(words, words))
def test_other_parts_make_another_notification(one: tuple[str, str], two: tuple[str, str]) -> None:
    same = identity.notification_id(*one) == identity.notification_id(*two)
    assert same == (one == two)


def test_where_one_part_ends_and_the_next_begins_makes_a_difference() -> None:
    assert identity.notification_id("ab", "c") != identity.notification_id("a", "bc")
    assert identity.notification_id("ab", "") != identity.notification_id("", "ab")
    notification = identity.uuid7()
    token = delivery_id(notification, "ann", Channel.PUSH, "a")
    assert token != delivery_id(notification, "anna", Channel.PUSH)


@given(notifications, words, channels, st.one_of(st.none(), words))
def test_a_delivery_lies_in_the_range_of_its_notification(
    notification: UUID, recipient: str, channel: Channel, address: str | None
) -> None:
    made = delivery_id(notification, recipient, channel, address)
    assert made == delivery_id(notification, recipient, channel, address)
    first, last = delivery_range(notification)
    assert first <= made <= last
    assert first <= notification <= last
    assert _layout(made) == ("specified in RFC 4122", 8)
    assert made != notification


@given(notifications, channels, st.lists(words, max_size=5))
def test_ids_made_many_at_once_are_those_made_one_by_one(
    notification: UUID, channel: Channel, recipients: list[str]
) -> None:
    made = [*map(delivery_ids(notification, channel), recipients)]
    assert made == [delivery_id(notification, r, channel).bytes for r in recipients]


parts = st.tuples(notifications, words, channels, words)


@given(parts, parts)
def test_other_parts_make_another_delivery(
    one: tuple[UUID, str, Channel, str], two: tuple[UUID, str, Channel, str]
) -> None:
    assert (delivery_id(*one) == delivery_id(*two)) == (one == two)


@given(notifications, words, channels, st.integers(1, SLICES - 1), st.integers(1, SLICES - 1))
def test_slices_share_out_every_delivery_of_a_run(
    notification: UUID, recipient: str, channel: Channel, one: int, two: int
) -> None:
    cuts = [0, *sorted({one, two}), SLICES]
    found = delivery_id(notification, recipient, channel)
    ranges = [delivery_slices(notification, a, b) for a, b in itertools.pairwise(cuts)]
    assert [first <= found <= last for first, last in ranges].count(True) == 1
    first, last = delivery_range(notification)
    assert first <= ranges[0][0] <= ranges[-1][1] <= last


def test_notifications_of_one_millisecond_share_a_range_but_no_delivery() -> None:
    notification = identity.uuid7()
    twin = UUID(int=notification.int ^ 1)
    assert delivery_range(notification) == delivery_range(twin)
    ids = {delivery_id(n, "ann", Channel.EMAIL) for n in (notification, twin)}
    assert len(ids) == 2


def test_a_run_of_many_recipients_has_as_many_ids() -> None:
    notification = identity.uuid7()
    ids = {delivery_id(notification, f"r{n}", c) for n in range(5_000) for c in Channel}
    assert len(ids) == 5_000 * len(Channel)


@given(st.integers(min_value=0, max_value=2**47 - 1), st.integers(min_value=1, max_value=10**6))
def test_later_milliseconds_make_greater_ids(start: int, later: int) -> None:
    older = identity._assemble(start, identity._MAX_LOW >> 6, version=7)
    newer = identity._assemble(start + later, 0, version=7)
    assert older < newer
    assert _layout(older) == ("specified in RFC 4122", 7)


def test_a_fresh_id_carries_the_time_and_is_never_the_same() -> None:
    ids = [identity.uuid7() for _ in range(2_000)]
    assert len(set(ids)) == 2_000
    milliseconds = [i.int >> 80 for i in ids]
    assert milliseconds == sorted(milliseconds)
    assert milliseconds[-1] - milliseconds[0] < 60_000


@given(words)
def test_what_stands_for_an_inline_address_is_never_a_recipient_id(addresses: str) -> None:
    key = identity.inline_key(addresses)
    assert key == identity.inline_key(addresses)
    assert not re.fullmatch(RECIPIENT_ID, key)


@given(words)
def test_the_hash_in_live_events_does_not_show_the_recipient(recipient: str) -> None:
    shown = identity.recipient_hash(recipient)
    assert re.fullmatch(r"[0-9a-f]{32}", shown)
    assert shown == identity.recipient_hash(recipient)


def test_ids_never_change_between_releases() -> None:
    """They are stored: another layout would send everything twice."""
    notification = UUID("01936b2e-5c5a-7abc-8def-0123456789ab")
    made = delivery_id(notification, "ann", Channel.PUSH, "token")
    assert [str(identity.notification_id("shop", "A-1")), str(made)] == [
        "c19f47cc-b086-82a9-86ec-058cf4086699",
        "01936b2e-5c5a-8f81-9088-cb6964ae8d54",
    ]
