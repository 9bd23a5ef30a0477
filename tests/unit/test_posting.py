"""From a body to what is stored: the parts that look nothing up."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.deliveries import new_delivery
from tests.support.notifications import new_notification

from fogbell.identity import notification_id
from fogbell.model.delivery import NewDelivery
from fogbell.model.status import Channel, DeliveryStatus, Lane, NotificationStatus
from fogbell.policy import BULK_AUDIENCE
from fogbell_intake import posting
from fogbell_intake.auth import Caller
from fogbell_intake.bodies import NotificationBody
from fogbell_intake.posting import Post, PostingSettings
from fogbell_intake.problems import Problem

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SETTINGS = PostingSettings(
    expansion_grace=timedelta(seconds=30),
    look_after=timedelta(seconds=5),
    keep=timedelta(days=30),
    offered=frozenset(Channel),
)
SHOP = Caller("shop", "key-1", frozenset())


def _body(audience: dict[str, Any], **fields: Any) -> NotificationBody:
    made = {"audience": audience, "channels": ["email"], "template": "welcome"} | fields
    return NotificationBody.model_validate(made)


def _people(number: int) -> dict[str, Any]:
    half = number // 2
    return {
        "recipients": [f"r{n}" for n in range(half)],
        "addresses": [{"email": f"a{n}@example.org"} for n in range(number - half)],
    }


def _refusal(audience: dict[str, Any], **fields: Any) -> Problem:
    body = _body(audience, **fields)
    with pytest.raises(Problem) as caught:
        posting._lane(body, posting._audience(body))
    return caught.value


def test_the_id_is_the_keys_and_the_apps_so_that_api_keys_may_change() -> None:
    post = Post(SHOP, _body(_people(1)), b"", "order-1")
    assert post.id == notification_id("shop", "order-1")
    assert Post(replace(SHOP, key_id="key-2"), _body(_people(1)), b"", "order-1").id == post.id
    assert Post(replace(SHOP, app="other"), _body(_people(1)), b"", "order-1").id != post.id


def test_without_a_key_every_post_is_another_though_its_id_stays() -> None:
    first, second = (Post(SHOP, _body(_people(1)), b"") for _ in range(2))
    assert first.id == first.id
    assert first.id != second.id


@given(st.integers(1, 1000), st.sampled_from([None, "transactional", "bulk"]))
def test_a_large_audience_never_takes_the_transactional_lane(
    number: int, asked: str | None
) -> None:
    audience = _people(number)
    if number > BULK_AUDIENCE and asked == "transactional":
        assert _refusal(audience, lane=asked).type.code == "bulk-only"
        return
    body = _body(audience, lane=asked)
    natural = Lane.BULK if number > BULK_AUDIENCE else Lane.TRANSACTIONAL
    assert posting._lane(body, posting._audience(body)) is (Lane(asked) if asked else natural)


@pytest.mark.parametrize("audience", [{"groups": ["crew"]}, {"match": {"plan": "pro"}}])
def test_whoever_asks_the_directory_is_bulk(audience: dict[str, Any]) -> None:
    body = _body(audience)
    assert posting._lane(body, posting._audience(body)) is Lane.BULK
    assert _refusal(audience, lane="transactional").type.code == "bulk-only"


def test_who_is_listed_twice_is_one() -> None:
    body = _body({
        "recipients": ["ann", {"id": "ann"}, "bob"],
        "addresses": [{"email": "X@example.org"}, {"email": "X@EXAMPLE.org"}],
        "groups": ["crew", "all", "crew"],
    })  # fmt: skip
    audience = posting._audience(body)
    assert [named.id for named in audience.recipients] == ["ann", "bob"]
    assert [address.addresses for address in audience.addresses] == [{"email": "X@example.org"}]
    assert audience.groups == ("crew", "all")


@pytest.mark.parametrize(
    ("audience", "place"),
    [
        ({"recipients": ["ann", {"id": "ann", "data": {"a": 1}}]}, "#/audience/recipients/1"),
        (
            {"addresses": [{"email": "x@example.org"}, {"email": "x@example.org", "locale": "de"}]},
            "#/audience/addresses/1",
        ),
        ({"match": {"plan": {"near": 1}}}, "#/audience/match"),
    ],
)
def test_a_contradiction_is_refused_where_it_stands(audience: dict[str, Any], place: str) -> None:
    assert [error.pointer for error in _refusal(audience).errors] == [place]


def test_a_channel_that_nobody_serves_is_refused() -> None:
    body = _body(_people(1), channels=["email", "sms"])
    with pytest.raises(Problem) as caught:
        posting._check_offered(body, frozenset({Channel.EMAIL, Channel.INBOX}))
    assert caught.value.errors[0].pointer == "#/channels/1"


def _plan(*statuses: DeliveryStatus) -> list[NewDelivery]:
    run = UUID(int=7 << 100)
    return [new_delivery(run, f"r{n}", status=status) for n, status in enumerate(statuses)]


def test_a_small_audience_is_stored_whole_and_looked_at_soon() -> None:
    new = _plan(DeliveryStatus.PENDING, DeliveryStatus.SKIPPED, DeliveryStatus.DELIVERED)
    accept = posting._at_once(new_notification(created_at=NOW), new, NOW, SETTINGS)
    run = accept.notification
    assert (run.expected, run.expanded_at, run.settled_at) == (3, NOW, None)
    assert run.expected_by_channel == {"email": 3}
    assert (accept.deliveries, accept.sweep_at) == (new, NOW + SETTINGS.look_after)
    assert accept.answered_status is NotificationStatus.SENDING


def test_what_has_nothing_left_to_do_is_settled_at_once() -> None:
    new = _plan(DeliveryStatus.SKIPPED, DeliveryStatus.DELIVERED)
    accept = posting._at_once(new_notification(created_at=NOW), new, NOW, SETTINGS)
    assert accept.notification.settled_at == NOW
    assert (accept.sweep_at, accept.answered_status) == (None, NotificationStatus.SETTLED)
    assert accept.frozen is not None
    assert accept.frozen["frozen"] == {"email": {"skipped": 1, "delivered": 1}}
    assert accept.frozen["purge_at"] == NOW + SETTINGS.keep


def test_a_large_audience_is_expanded_soon_and_a_scheduled_one_at_its_time() -> None:
    large = posting._later(new_notification(created_at=NOW), NOW, SETTINGS)
    assert (large.deliveries, large.sweep_at) == ([], NOW + SETTINGS.expansion_grace)
    assert large.answered_status is NotificationStatus.EXPANDING
    tomorrow = NOW + timedelta(days=1)
    later = posting._later(new_notification(created_at=NOW, send_at=tomorrow), NOW, SETTINGS)
    assert (later.sweep_at, later.answered_status) == (tomorrow, NotificationStatus.SCHEDULED)


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"expires_at": "2026-11-22T12:00:00.000Z"}, "#/expires_at"),
        ({"send_at": "2027-12-01T00:00:00Z"}, "#/send_at"),
    ],
)
def test_times_are_held_against_mongodbs_clock(fields: dict[str, Any], place: str) -> None:
    with pytest.raises(Problem) as caught:
        posting._check_times(_body(_people(1), **fields), NOW)
    assert caught.value.errors[0].pointer == place
