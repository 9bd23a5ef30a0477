"""What the client asks for, before anything is sent."""

import inspect
import json
import re
from collections.abc import AsyncIterable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid4

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbell_client import (
    AsyncFogbell,
    AsyncInbox,
    Fogbell,
    Inbox,
    calls,
    endpoint_calls,
    inbox_calls,
)
from fogbell_client.bodies import BatchItem, NotificationBody
from fogbell_client.call import Call, chunks, encode, path
from fogbell_client.calls import post
from fogbell_client.retrying import Repeat
from fogbell_intake.routes import TABLE

BODY: NotificationBody = {"audience": {"recipients": ["ann"]}, "channels": ["email"]}


EXAMPLES: list[Call[Any]] = [
    post(BODY),
    calls.post_batch([BODY]),
    calls.notifications(),
    calls.notification("{id}"),
    calls.cancel("{id}"),
    calls.replay("{id}"),
    calls.deliveries("{id}"),
    calls.delivery("{id}"),
    calls.put_recipient("{id}", {}),
    calls.patch_recipient("{id}", {}),
    calls.recipient("{id}"),
    calls.recipients(),
    calls.recipient_deliveries("{id}"),
    calls.delete_recipient("{id}"),
    calls.import_recipients(b"", "text/csv"),
    calls.create_inbox_token("{id}"),
    calls.put_template("{name}", {"locales": {}}),
    calls.templates(),
    calls.template("{name}"),
    calls.preview_template("{name}"),
    calls.create_api_key({"name": "n", "scopes": ["send"]}),
    calls.api_keys(),
    calls.delete_api_key("{id}"),
    endpoint_calls.create_endpoint({"url": "https://x.example", "events": ["delivery.settled"]}),
    endpoint_calls.endpoints(),
    endpoint_calls.endpoint("{id}"),
    endpoint_calls.delete_endpoint("{id}"),
    inbox_calls.inbox(),
    inbox_calls.stream(),
    inbox_calls.mark_seen("{id}"),
    inbox_calls.mark_read("{id}"),
    inbox_calls.archive("{id}"),
    replace(calls.template("{name}", 1), path="/v1/templates/{name}/versions/{version}"),
    *(
        replace(build("email", "x"), path="/v1/suppressions/{channel}/{address}")
        for build in (calls.suppress, calls.suppression, calls.delete_suppression)
    ),
]
"""One of each, with the names that intake's table has for what stands in the path."""


def content(call: Call[Any]) -> Any:
    assert isinstance(call.content, bytes)
    return json.loads(call.content)


def test_every_post_has_a_key_that_its_tries_share_and_no_other_post() -> None:
    first, second = post(BODY), post(BODY)
    assert UUID(first.headers["Idempotency-Key"]) != UUID(second.headers["Idempotency-Key"])
    assert post(BODY, idempotency_key="order-1").headers["Idempotency-Key"] == "order-1"
    assert first.repeat is Repeat.ALWAYS


def test_every_item_of_a_batch_has_a_key() -> None:
    own: BatchItem = {**BODY, "idempotency_key": "mine"}
    items = content(calls.post_batch([own, BODY, BODY]))["items"]
    keys = [item["idempotency_key"] for item in items]
    assert keys[0] == "mine"
    assert len(set(keys)) == 3


def test_what_makes_something_new_each_time_is_not_repeated_blindly() -> None:
    create = calls.create_api_key({"name": "n", "scopes": ["send"]})
    hook = endpoint_calls.create_endpoint(
        {"url": "https://x.example", "events": ["delivery.settled"]}
    )
    for call in (create, hook, calls.replay("1")):
        assert call.repeat is Repeat.WITHOUT_EFFECT


@given(st.text(min_size=1))
def test_an_id_stays_one_segment_of_the_path(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    url = httpx2.URL("http://x" + path("suppressions", "email", text))
    raw = urlsplit(url.raw_path.decode()).path
    assert unquote(raw.removeprefix("/v1/suppressions/email/")) == text
    assert raw.count("/") == 4


def test_times_are_written_with_their_offset_and_refused_without() -> None:
    when = datetime(2026, 12, 1, 9, tzinfo=UTC)
    assert content(post({**BODY, "send_at": when}))["send_at"] == "2026-12-01T09:00:00+00:00"
    with pytest.raises(ValueError, match="time zone"):
        post({**BODY, "send_at": when.replace(tzinfo=None)})
    listed = calls.notifications(created_after=when)
    assert listed.query == {"created_after": "2026-12-01T09:00:00+00:00"}


def test_a_body_that_json_cannot_say_is_refused_before_it_is_sent() -> None:
    for value, error in ((float("nan"), ValueError), (object(), TypeError), (b"x", TypeError)):
        with pytest.raises(error):
            encode({"a": value})
    known = uuid4()
    assert json.loads(encode({"a": known, "b": {"x"}})) == {"a": str(known), "b": ["x"]}


def test_a_query_holds_what_was_given_and_nothing_else() -> None:
    assert calls.deliveries("1").query == {}
    given = calls.deliveries("1", status="dead", channel="email", page_size=7)
    assert given.query == {"status": "dead", "channel": "email", "limit": "7"}
    assert given.after("x").query == {**given.query} | {"after": "x"}
    assert inbox_calls.inbox(unread=True).query == {"unread": "true"}


def test_a_paths_suffix_says_what_an_import_is(tmp_path: Path) -> None:
    call = calls.import_recipients(tmp_path / "people.CSV")
    assert call.headers["Content-Type"] == "text/csv"
    with pytest.raises(ValueError, match="ends in"):
        calls.import_recipients(tmp_path / "people.xlsx")
    with pytest.raises(TypeError, match="media_type"):
        calls.import_recipients(iter([b""]))


def test_what_can_be_read_again_may_be_sent_again(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(b"id\nann\n")
    call = calls.import_recipients(file)
    assert call.repeat is Repeat.ALWAYS
    for _ in range(2):
        read = chunks(file)
        assert isinstance(read, Iterator)
        assert b"".join(read) == b"id\nann\n"
    with file.open("rb") as opened:
        assert calls.import_recipients(opened, "text/csv").repeat is Repeat.UNSENT
        read = chunks(opened)
        assert not isinstance(read, bytes | AsyncIterable)
        assert list(read) == [b"id\nann\n"]


def methods(kind: type) -> dict[str, Callable[..., Any]]:
    return {
        name: value
        for base in kind.__mro__[:-1]
        for name, value in vars(base).items()
        if callable(value) and not name.startswith("_")
    }


@pytest.mark.parametrize(("sync", "other"), [(Fogbell, AsyncFogbell), (Inbox, AsyncInbox)])
def test_both_clients_have_the_same_methods(sync: type, other: type) -> None:
    assert methods(other).keys() - {"stream"} == methods(sync).keys()


def test_every_route_of_intake_is_a_method() -> None:
    known = {(call.method, unquote(call.path)) for call in EXAMPLES}
    served = {
        (route.method, re.sub(r"\{(\w+)(:path)?\}", r"{\1}", route.path))
        for route in TABLE
        if route.path.startswith("/v1/")
    }
    assert known == served, "a route that came or went belongs in fogbell_client.calls too"


def test_every_call_is_a_method_and_shows_its_arguments() -> None:
    made = {
        name: function
        for name, function in (vars(calls) | vars(endpoint_calls) | vars(inbox_calls)).items()
        if inspect.isfunction(function) and inspect.signature(function).return_annotation
        and getattr(inspect.signature(function).return_annotation, "__origin__", None) is Call
    }  # fmt: skip
    assert len(made) > 20
    known = methods(Fogbell) | methods(Inbox) | {"inbox": Inbox.items, "stream": AsyncInbox.stream}
    assert made.keys() <= known.keys()
    signature = inspect.signature(Fogbell.deliveries)
    assert list(signature.parameters) == [
        "self", "notification_id", "status", "channel", "page_size",
    ]  # fmt: skip
    assert Fogbell.deliveries.__doc__ == calls.deliveries.__doc__


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://x", "http://", ""])
def test_what_is_no_address_of_a_server_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="expected an http or https URL"):
        Fogbell(url, "fbk_k")


def test_a_secret_that_no_header_can_hold_is_refused_without_being_shown() -> None:
    with pytest.raises(ValueError, match="secret") as raised:
        Fogbell("http://x", "fbk_secret\r\nX: y")
    assert "fbk_" not in str(raised.value)
