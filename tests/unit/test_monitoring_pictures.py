"""From Prometheus' answers to what a picture shows."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitoring.dashboards import BOARDS, OVERVIEW
from monitoring.dashboards.board import Board, Unit
from monitoring.pictures.drawing import draw
from monitoring.pictures.values import Answer, aligned, buckets, legend, shown
from monitoring.recording import Line, keep, kept, record, span


def test_a_legend_names_labels_and_leaves_out_those_that_are_not_there() -> None:
    assert legend("{{channel}} {{lane}}", {"channel": "email", "lane": "bulk"}) == "email bulk"
    assert legend("{{channel}} {{lane}}", {"channel": "email"}) == "email"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1234.0, Unit.PER_SECOND, "1.23k/s"),
        (0.25, Unit.SECONDS, "250 ms"),
        (90.0, Unit.SECONDS, "1.5 min"),
        (0.0, Unit.SECONDS, "0 s"),
        (0.0004, Unit.SECONDS, "0.4 ms"),
        (0.995, Unit.SHARE, "99.5%"),
        (7.0, Unit.COUNT, "7"),
        (14.4, Unit.TIMES, "14.4x"),
        (2e6, Unit.BYTES, "2MB"),
        (1.0, Unit.YES_NO, "yes"),
        (3_661_000.0, Unit.FROM_NOW, "01 Jan 01:01"),
        (math.inf, Unit.SECONDS, "inf"),
        (math.nan, Unit.SECONDS, "no data"),
    ],
)
def test_numbers_are_shown_as_people_read_them(value: float, unit: Unit, text: str) -> None:
    assert shown(value, unit) == text


def test_a_line_has_a_gap_where_it_has_no_value() -> None:
    values = aligned(Line({}, ((11.0, 5.0), (13.0, 7.0))), 10.0, 13.0)
    assert [None if math.isnan(value) else value for value in values] == [None, 5.0, None, 7.0]


@given(st.lists(st.integers(0, 100), min_size=1, max_size=8))
def test_what_lies_between_bounds_adds_up_to_what_lies_below_the_last(counts: list[int]) -> None:
    cumulative = [float(sum(counts[: n + 1])) for n in range(len(counts))]
    bounds = [*(str(n) for n in range(1, len(counts))), "+Inf"]
    answers = [
        Answer("", {"le": le}, [value, math.nan])
        for le, value in zip(bounds, cumulative, strict=True)
    ]
    found, between = buckets(answers[::-1])
    assert found == sorted(found)
    assert between == [[count, 0.0] for count in counts]


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_every_board_is_drawn_with_lines_gaps_and_nothing(board: Board, tmp_path: Path) -> None:
    def answer(asked: str) -> list[Line]:
        points = ((10.0, 1.0), (11.0, math.nan), (14.0, 3.0))
        bounds = ("0.5", "+Inf") if "le" in asked else ("1",)
        return [Line({"le": le}, points) for le in bounds] if len(asked) % 3 else []

    draw(board, record(board, str, answer), tmp_path / "board.png")
    assert (tmp_path / "board.png").read_bytes().startswith(b"\x89PNG")


def test_a_board_of_which_nothing_was_recorded_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=OVERVIEW.title):
        kept(OVERVIEW, tmp_path)


def test_a_recording_is_read_as_it_was_kept(tmp_path: Path) -> None:
    line = Line({"channel": "email"}, ((1.0, 2.0), (2.0, math.inf)))
    recording = record(OVERVIEW, str.upper, lambda asked: [line] if asked.isupper() else [])
    keep(recording, OVERVIEW, tmp_path)
    assert kept(OVERVIEW, tmp_path) == recording
    assert span(recording) == (1.0, 2.0)
    assert recording.keys() == {panel.title for panel in OVERVIEW.panels}
