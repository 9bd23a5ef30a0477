"""Cursors: what is given out is taken back, by the list that gave it, and nothing else is."""

import base64

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fogbell_intake.cursors import decode_cursor, encode_cursor
from fogbell_intake.problems import Problem

WORD = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
NUMBER = st.integers(-(2**63), 2**63 - 1)
REFUSED = "expected what an answer's 'next' gave, as it stands"


def refused(of: str, text: str) -> None:
    with pytest.raises(Problem) as raised:
        decode_cursor(of, text, str, int)
    (error,) = raised.value.errors
    assert (raised.value.type.code, error.parameter, error.detail) == (
        "invalid-parameter", "after", REFUSED,
    )  # fmt: skip


@given(WORD, NUMBER)
def test_a_cursor_gives_back_its_parts(name: str, number: int) -> None:
    text = encode_cursor("people", name, number)
    assert text.isascii()
    assert text.replace("-", "a").replace("_", "a").isalnum()
    assert decode_cursor("people", text, str, int) == [name, number]


@given(WORD, NUMBER, st.integers(0), st.characters(codec="utf-8"))
def test_a_cursor_that_was_changed_anywhere_is_refused(
    name: str, number: int, where: int, by: str
) -> None:
    text = encode_cursor("people", name, number)
    place = where % len(text)
    changed = text[:place] + by + text[place + 1 :]
    assume(changed != text)
    refused("people", changed)
    refused("people", text[:place])
    refused("people", text + by)


@given(WORD, NUMBER, st.sampled_from(["places", "people ", "", "peopl"]))
def test_a_cursor_of_another_list_is_refused(name: str, number: int, other: str) -> None:
    refused(other, encode_cursor("people", name, number))


@given(st.text(max_size=200) | st.binary(max_size=100).map(base64.urlsafe_b64encode).map(str))
def test_anything_else_is_refused(text: str) -> None:
    refused("people", text)


@pytest.mark.parametrize("parts", [(), ("a",), (1, "a"), ("a", 1, 2)])
def test_a_cursor_of_other_parts_is_refused(parts: tuple[str | int, ...]) -> None:
    refused("people", encode_cursor("people", *parts))
    refused("people", "a" * 10_000)
