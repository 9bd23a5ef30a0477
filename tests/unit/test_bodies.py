"""What a post's body may say, before anything is looked up."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fogbell.model.status import Channel
from fogbell_intake.bodies import AddressBody, NamedBody, NotificationBody
from fogbell_intake.limits import MAX_NAMED

SMALLEST: dict[str, Any] = {
    "audience": {"recipients": ["ann"]},
    "channels": ["email"],
    "template": "welcome",
}


def _body(**fields: Any) -> NotificationBody:
    return NotificationBody.model_validate(SMALLEST | fields)


def _refused(**fields: Any) -> list[str]:
    with pytest.raises(ValidationError) as error:
        _body(**fields)
    return [entry["msg"] for entry in error.value.errors()]


def test_the_smallest_body_names_somebody_a_channel_and_what_to_say() -> None:
    body = _body()
    assert body.channels == [Channel.EMAIL]
    assert (body.lane, body.data, body.send_at) == (None, {}, None)


@pytest.mark.parametrize("name", sorted(SMALLEST))
def test_each_of_its_three_parts_is_needed(name: str) -> None:
    without = {key: value for key, value in SMALLEST.items() if key != name}
    with pytest.raises(ValidationError):
        NotificationBody.model_validate(without)


def test_a_recipient_is_an_id_or_an_object_with_data_of_its_own() -> None:
    body = _body(audience={"recipients": ["ann", {"id": "bob", "data": {"seat": "4A"}}]})
    assert body.audience.recipients == [
        NamedBody(id="ann"),
        NamedBody(id="bob", data={"seat": "4A"}),
    ]


@given(st.integers(0, MAX_NAMED + 5), st.integers(0, MAX_NAMED + 5))
def test_at_most_a_thousand_people_are_named_in_both_lists_together(some: int, more: int) -> None:
    audience = {
        "recipients": [f"r{n}" for n in range(some)],
        "addresses": [{"email": f"a{n}@example.org"} for n in range(more)],
    }
    if 1 <= some + more <= MAX_NAMED:
        body = _body(audience=audience)
        assert len(body.audience.recipients) + len(body.audience.addresses) == some + more
    else:
        assert _refused(audience=audience)


def test_what_is_said_comes_from_one_source() -> None:
    content = {"email": {"subject": "Hi", "text": "Hi"}}
    assert _body(template=None, content=content).content is not None
    assert _refused(content=content) == ["Value error, expected either 'template' or 'content'"]
    assert _refused(template=None) == ["Value error, expected either 'template' or 'content'"]
    assert _refused(template=None, content=content, template_version=1) == [
        "Value error, 'template_version' goes with 'template'"
    ]


def test_times_are_in_order() -> None:
    first, second = "2099-01-01T00:00:00.000Z", "2099-01-01T00:00:00.001Z"
    assert _body(send_at=first, expires_at=second)
    for end in (first, "2098-12-31T23:59:59Z"):
        assert "later than 'send_at'" in _refused(send_at=first, expires_at=end)[0]


def test_a_channel_stands_there_once() -> None:
    assert _refused(channels=["email", "inbox", "email"]) == [
        "Value error, expected each of 'channels' once"
    ]


def test_addresses_are_stored_without_what_is_not_there_and_with_their_secrets() -> None:
    secret = "whsec_" + "a" * 32
    given_ = {
        "email": "Ann@Example.ORG", "locale": "de", "data": {"seat": "7C"},
        "webhook": {"url": "https://example.org/hook", "secrets": [secret]},
    }  # fmt: skip
    assert AddressBody.model_validate(given_).addresses() == {
        "email": "Ann@example.org",
        "webhook": {"url": "https://example.org/hook", "secrets": [secret]},
    }
    assert secret not in repr(AddressBody.model_validate(given_))


def test_somebody_without_an_address_is_nobody() -> None:
    with pytest.raises(ValidationError, match="expected an address"):
        AddressBody.model_validate({"locale": "de", "data": {"seat": "7C"}})
