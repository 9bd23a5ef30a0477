"""Text and plain variables go a short way through rendering: to the same end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbell.rendering import RenderingError
from fogbell.rendering.budget import Budget
from fogbell.rendering.fields import Field, Run

PIECES = st.sampled_from(
    [
        "plain < text\n",
        "{{ data.a }}",
        "{{ data.b.c }}",
        "{{ data.list.first }}",
        "{{ data.list.size }}",
        "{{ data.list }}",
        "{{ data.gone }}",
        "{{ gone.away }}",
        "{{ data }}",
        "{{ now }}",
    ]
)
VALUES = st.one_of(
    st.text(max_size=80),
    st.sampled_from(["a < b & c", "", None, True, 3, 1.5, 10**100, {"c": "d"}]),
)
NAMES = st.fixed_dictionaries(
    {"a": VALUES, "b": st.one_of(VALUES, st.fixed_dictionaries({"c": VALUES}))},
    optional={"list": st.lists(VALUES, max_size=3)},
)
Ending = tuple[str, list[tuple[str, str]], int, int]


def ending(field: Field, data: dict[str, object], steps: int) -> Ending:
    """The text or the error, the unknown variables, and what is left of the budget."""
    found: list[tuple[str, str]] = []
    run = Run(
        {"data": data},
        lambda path, name: found.append((path, name)),
        Budget(steps=steps, text=300),
    )
    try:
        text = field.render(run)
    except RenderingError as error:
        text = f"error: {error}"
    assert type(text) is str
    return text, found, run.budget.steps, run.budget.text


@given(st.lists(PIECES, min_size=1, max_size=8), NAMES, st.booleans(), st.integers(0, 40))
def test_the_short_way_says_and_costs_what_the_long_way_does(
    pieces: list[str], data: dict[str, object], html: bool, steps: int
) -> None:
    short, long = (Field("".join(pieces) + "{{ data.a }}", "text", html=html) for _ in range(2))
    assert short._pieces is not None
    long._pieces = None
    assert ending(short, data, steps) == ending(long, data, steps)


@pytest.mark.parametrize("source", ["{{ data.a | upcase }}", "{% assign a = 1 %}{{ a }}"])
def test_whatever_else_a_template_has_takes_the_long_way(source: str) -> None:
    assert Field(source, "text")._pieces is None
