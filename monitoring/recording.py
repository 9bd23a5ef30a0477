"""What Prometheus has answered to the panels of a board over some time, kept in a file."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from monitoring.dashboards.board import Board

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Line:
    """One series: ``points`` are pairs of a Unix time in seconds and a value."""

    labels: Labels
    points: tuple[tuple[float, float], ...]


Recording = dict[str, list[list[Line]]]
"""Of one board: the answers to each series of a panel, in their order, by the panel's title."""


def record(
    board: Board, asked: Callable[[str], str], answer: Callable[[str], list[Line]]
) -> Recording:
    """Ask for every series of ``board``; ``asked`` fills in what an expression leaves open."""
    return {
        panel.title: [answer(asked(series.expression)) for series in panel.series]
        for panel in board.panels
    }


def keep(recording: Recording, board: Board, folder: Path) -> None:
    """Write ``recording`` to the ``folder``, under the board's name."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = {
        title: [[[dict(line.labels), line.points] for line in lines] for lines in series]
        for title, series in recording.items()
    }
    _file(board, folder).write_text(json.dumps(plain))


def kept(board: Board, folder: Path) -> Recording:
    """What was kept of ``board``. Raises ValueError where nothing was."""
    file = _file(board, folder)
    if not file.exists():
        raise ValueError(f"expected {file}: nothing was recorded of the dashboard {board.title}")
    plain = json.loads(file.read_text())
    return {
        title: [
            [Line(labels, tuple((at, value) for at, value in points)) for labels, points in lines]
            for lines in series
        ]
        for title, series in plain.items()
    }


def span(recording: Recording) -> tuple[float, float]:
    """The first and the last time that any answer has. Raises ValueError where none has any."""
    times = [
        point[0]
        for panel in recording.values()
        for lines in panel
        for line in lines
        for point in (line.points[0], line.points[-1])
    ]
    return min(times), max(times)


def _file(board: Board, folder: Path) -> Path:
    return folder / f"{board.uid}.json"
