import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbell.rendering import RenderedWebhook
from fogbell_worker.channels.webhook.payload import webhook_body

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEXTS = st.text(st.characters(codec="utf-8"))


def test_a_body_is_compact_json_with_three_fields() -> None:
    body = webhook_body(RenderedWebhook("order.paid", {"näme": [1, None]}), NOON)
    expected = (
        '{"type":"order.paid","timestamp":"2026-03-01T12:00:00.000Z","data":{"näme":[1,null]}}'
    )
    assert body == expected.encode()


@given(TEXTS, st.dictionaries(TEXTS, TEXTS | st.integers() | st.none() | st.booleans()))
def test_what_was_rendered_is_what_a_receiver_reads(kind: str, data: dict[str, object]) -> None:
    body = json.loads(webhook_body(RenderedWebhook(kind, data), NOON))  # type: ignore[arg-type]
    assert (body["type"], body["data"]) == (kind, data)


def test_the_time_is_utc_wherever_it_was_taken() -> None:
    there = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    content = RenderedWebhook("t", {})
    assert webhook_body(content, there) == webhook_body(content, NOON)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_what_json_cannot_carry_is_refused(value: float | str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json and the codec word it differently
        webhook_body(RenderedWebhook("t", {"value": value}), NOON)
