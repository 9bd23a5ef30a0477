"""Items as server-sent events: one event each, whatever they hold, and ids that are cursors."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.sse import Event, parse

from fogbell.store.inbox import InboxItem, Position
from fogbell_intake.cursors import encode_cursor
from fogbell_intake.inbox_items import (
    EXPIRED,
    HEARTBEAT,
    decode_position,
    encode_position,
    item_document,
    item_frame,
    ready_frame,
)
from fogbell_intake.problems import Problem

MILLISECOND = timedelta(milliseconds=1)
times = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)).map(  # noqa: DTZ001
    lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000, tzinfo=UTC)
)
positions = st.builds(Position, times, st.uuids())
texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


def item(stored_at: datetime, item_id: UUID, **more: Any) -> InboxItem:
    fields: dict[str, Any] = {"title": "Hi", "body": "", "url": "", "data": {}} | more
    return InboxItem(item_id, UUID(int=7), "ann", stored_at=stored_at, **fields)


@given(positions, texts, texts, st.dictionaries(texts, values, max_size=3))
def test_an_item_is_one_event_whatever_its_texts_hold(
    position: Position, title: str, body: str, data: dict[str, Any]
) -> None:
    one = item(*position, title=title, body=body, data=data)
    frame = item_frame(one)
    (event,) = parse(frame.body.decode())
    assert event.name == "item"
    assert json.loads(event.data) == item_document(one)
    assert decode_position(event.id, "after") == position == frame.position


@given(positions)
def test_a_cursor_is_one_line_of_ascii_and_comes_back_as_it_was(position: Position) -> None:
    text = encode_position(position)
    assert text.isascii()
    assert text.isprintable()
    assert decode_position(text, "after") == position


@given(st.text())
def test_any_other_text_is_no_cursor(text: str) -> None:
    with pytest.raises(Problem) as caught:
        decode_position(text, "Last-Event-ID")
    assert caught.value.type.status == 422
    assert caught.value.errors[0].parameter == "Last-Event-ID"


@pytest.mark.parametrize("parts", [(2**62, str(UUID(int=1))), (0, "ann"), (253402300800000, "")])
def test_a_cursor_beyond_what_can_be_is_refused(parts: tuple[int, str]) -> None:
    with pytest.raises(Problem):
        decode_position(encode_cursor("inbox", *parts), "after")


def test_a_time_before_1970_is_read_as_1970() -> None:
    text = encode_cursor("inbox", -(2**40), str(UUID(int=1)))
    assert decode_position(text, "after").stored_at == datetime(1970, 1, 1, tzinfo=UTC)


@given(times)
def test_ready_carries_where_the_stream_starts_and_a_pause(start: datetime) -> None:
    (event,) = parse(ready_frame(start).decode())
    assert event.name == "ready"
    assert event.retry is not None
    assert 1_000 <= event.retry <= 5_000
    assert decode_position(event.id, "after") == Position(start, UUID(int=0))


def test_a_heartbeat_is_no_event_and_expired_moves_no_cursor() -> None:
    assert parse(HEARTBEAT.decode()) == []
    assert parse(EXPIRED.decode()) == [Event("expired", "{}")]
