"""docs/protocol.md says what the code does."""

import re
from pathlib import Path

from fogbell.model.status import TRANSITIONS

PROTOCOL = Path(__file__).parents[2] / "docs" / "protocol.md"


def test_the_documented_transitions_are_those_of_the_model() -> None:
    rows = re.findall(r"^\| (\w+) \| (\w+) \| (\w+) \|$", PROTOCOL.read_text(), re.MULTILINE)
    documented = {(a, b, c) for a, b, c in rows if a != "from"}
    assert documented == {(s.value, c.value, t.value) for (s, c), t in TRANSITIONS.items()}


def test_the_diagram_shows_only_transitions_of_the_model() -> None:
    drawn = re.findall(r"^    (\w+) --> (\w+)", PROTOCOL.read_text(), re.MULTILINE)
    known = {(s.value, t.value) for (s, _), t in TRANSITIONS.items()}
    assert drawn
    assert set(drawn) <= known
