"""What a body and a time may be."""

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbell.views import rfc3339
from fogbell_intake.limits import MAX_DEPTH
from fogbell_intake.parsing import (
    JsonError,
    loads,
    parse_timestamp,
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text().filter(lambda n: n[:1] != "$" and "\0" not in n), inner)
    ),
    max_leaves=20,
)


@given(JSON)
def test_every_json_value_within_the_limits_is_read_as_python_reads_it(value: Any) -> None:
    for ascii_only in (True, False):
        text = json.dumps(value, ensure_ascii=ascii_only)
        assert loads(text.encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_a_json_error(body: bytes) -> None:
    with contextlib.suppress(JsonError):
        json.dumps(loads(body)).encode()


REFUSED = {
    "empty": b"",
    "cut off": b'{"a": 1',
    "two values": b"{} {}",
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "a number beyond a double": b'{"a": 1e400}',
    "an integer beyond 64 bits": b'{"a": 9223372036854775808}',
    "an integer of a million digits": b'{"a": ' + b"9" * 1_000_000 + b"}",
    "a name twice": b'{"a": 1, "b": {"c": 1, "c": 2}}',
    "a name that starts with $": b'{"a": {"$where": "1"}}',
    "a name with NUL": b'{"a\\u0000": 1}',
    "bad UTF-8": b'{"a": "\xff"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"a": 1}',
    "half a surrogate pair": b'{"a": "\\ud800"}',
    "half a surrogate pair in a name": b'{"\\uDFFF": 1}',
    "control characters": b'{"a": "\n"}',
    "a trailing comma": b'{"a": 1,}',
    "a hundred thousand arrays": b"[" * 100_000 + b"]" * 100_000,
    "a hundred thousand objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "arrays that are never closed": b"[" * 1_000_000,
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_what_readers_disagree_about_is_refused(body: bytes) -> None:
    with pytest.raises(JsonError):
        loads(body)


def test_nesting_is_refused_one_level_beyond_the_limit() -> None:
    def nested(levels: int) -> bytes:
        return b'{"a":' * (levels - 1) + b"[]" + b"}" * (levels - 1)

    assert loads(nested(MAX_DEPTH))
    with pytest.raises(JsonError, match="32 levels"):
        loads(nested(MAX_DEPTH + 1))


def test_brackets_in_strings_do_not_count_as_nesting() -> None:
    assert loads(b'{"a": "' + b"[{" * 1000 + b'"}')


def test_a_whole_surrogate_pair_is_one_character() -> None:
    assert loads(b'"\\ud83d\\udd14"') == "\N{BELL}"


def test_an_error_never_repeats_a_value() -> None:
    for body in (b'{"a": "hunter2", }', b'{"a": "hunter2" "b"}', b'["hunter2", NaN]'):
        with pytest.raises(JsonError) as raised:
            loads(body)
        assert "hunter2" not in str(raised.value)


TIMES = {
    "2026-12-01T09:00:00Z": "2026-12-01T09:00:00.000Z",
    "2026-12-01t09:00:00.5z": "2026-12-01T09:00:00.500Z",
    "2026-12-01T09:00:00.123999999+01:00": "2026-12-01T08:00:00.123Z",
    "2026-12-01T00:30:00.000-05:30": "2026-12-01T06:00:00.000Z",
}


@pytest.mark.parametrize(("text", "normal"), TIMES.items())
def test_a_time_with_an_offset_becomes_utc_in_milliseconds(text: str, normal: str) -> None:
    assert rfc3339(parse_timestamp(text)) == normal


@pytest.mark.parametrize(
    "value",
    [
        "2026-12-01T09:00:00",
        "2026-12-01",
        "2026-12-01T09:00Z",
        "2026-13-01T09:00:00Z",
        "2026-02-30T09:00:00Z",
        "2026-12-01T24:00:00Z",
        "2026-12-01T09:00:60Z",
        "2026-12-01T09:00:00+25:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "1764579600",
        "٢٠٢٦-12-01T09:00:00Z",
        1764579600,
        1764579600.0,
        True,
        None,
        datetime(2026, 12, 1, tzinfo=UTC),
    ],
)
def test_a_time_that_is_not_a_string_with_an_offset_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="expected a time"):
        parse_timestamp(value)


@given(st.datetimes(timezones=st.just(UTC)))
def test_what_is_answered_can_be_sent_back(moment: datetime) -> None:
    text = rfc3339(moment)
    assert rfc3339(parse_timestamp(text)) == text
