"""What travels between components: it reads back as it was, and garbage is called garbage."""

import json
from uuid import UUID, uuid4

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fogbell.broker.messages import (
    MOST_IDS,
    Ids,
    InboxEvent,
    UndecodableMessageError,
    decode_event,
    decode_ids,
    encode_event,
    encode_ids,
    parts,
)
from fogbell.broker.publisher import IDS_A_MESSAGE

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
almost = st.fixed_dictionaries(
    {"v": st.sampled_from([1, True, 1.0, "1", 2, None])},
    optional=dict.fromkeys(("ids", "inbox", "alone", "chunk"), json_values),
)


@given(
    st.lists(st.uuids(), min_size=1, max_size=50), st.booleans(), st.none() | st.text(min_size=1)
)
def test_ids_read_back_as_they_were(ids: list[UUID], alone: bool, chunk: str | None) -> None:
    body = encode_ids(ids, alone=alone, chunk=chunk)
    assert decode_ids(body) == Ids(tuple(ids), alone=alone, chunk=chunk)


@given(st.lists(st.tuples(st.text(alphabet="0123456789abcdef"), st.uuids())))
def test_events_read_back_as_they_were(items: list[tuple[str, UUID]]) -> None:
    event = InboxEvent(tuple(items))
    assert decode_event(encode_event(event)) == event


def _decode(body: bytes) -> None:
    for decode in (decode_ids, decode_event):
        try:
            decode(body)
        except UndecodableMessageError as error:
            assert str(error).startswith("expected")  # noqa: PT017 - whether it raises is free


@given(st.binary(max_size=200))
@example(b"")
@example(b"[" * 100_000)
@example(b'{"v":1,"ids":' + b"[" * 100_000)
@example(b"9" * 10_000)
@example(b'{"v":1,"ids":[' + b"9" * 10_000 + b"]}")
@example("\ud800".encode("utf-16", "surrogatepass"))
@example(b"\xef\xbb\xbf{}")
def test_any_bytes_are_a_message_or_undecodable_and_nothing_else(body: bytes) -> None:
    _decode(body)


@given(almost)
def test_any_json_is_a_message_or_undecodable_and_nothing_else(document: object) -> None:
    _decode(json.dumps(document).encode())


ONE = str(uuid4())


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        None,
        {"ids": [ONE]},
        {"v": 2, "ids": [ONE]},
        {"v": 1},
        {"v": 1, "ids": []},
        {"v": 1, "ids": ONE},
        {"v": 1, "ids": {ONE: 1}},
        {"v": 1, "ids": [ONE, "x"]},
        {"v": 1, "ids": [ONE, None]},
        {"v": 1, "ids": [[ONE]]},
        {"v": 1, "ids": [ONE] * (MOST_IDS + 1)},
    ],
)
def test_what_is_no_message_of_this_version_is_undecodable(body: object) -> None:
    with pytest.raises(UndecodableMessageError, match="expected"):
        decode_ids(json.dumps(body).encode())


@pytest.mark.parametrize("alone", [1, "true", None, [], False])
def test_only_true_means_alone(alone: object) -> None:
    body = json.dumps({"v": 1, "ids": [ONE], "alone": alone}).encode()
    assert not decode_ids(body).alone


def test_what_is_unknown_is_passed_over_so_that_newer_senders_can_add_to_it() -> None:
    body = json.dumps({"v": 1, "ids": [ONE], "trace": "x"}).encode()
    assert decode_ids(body) == Ids((UUID(ONE),))


@given(st.lists(st.uuids(), max_size=60), st.integers(min_value=1, max_value=20))
def test_parts_hold_everything_in_order(ids: list[UUID], size: int) -> None:
    made = [list(part) for part in parts(ids, size)]
    assert [i for part in made for i in part] == ids
    assert all(1 <= len(part) <= size for part in made)
    assert all(len(part) == size for part in made[:-1])


def test_what_is_published_is_never_too_long_to_be_read() -> None:
    assert max(IDS_A_MESSAGE.values()) <= MOST_IDS
