"""One picture of a board: rows and panels where Grafana puts them, answers as it draws them.

No answer is smoothed or filled in: where Prometheus had nothing, there is nothing.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from monitoring.dashboards.board import Board, Panel, Row, Shape
from monitoring.pictures.values import Answer, aligned, buckets, legend, shown
from monitoring.recording import Recording, span

WIDTH: Final = 14.0
"""Inches, as all lengths here; they are `COLUMNS` of Grafana's."""
COLUMNS: Final = 24
DOTS: Final = 90
"""An inch."""
HEADING: Final = 0.35
HEIGHTS: Final = {Shape.NUMBER: 1.0}
HEIGHT: Final = 2.2
LEFT, RIGHT, TOP, BOTTOM = 0.55, 0.15, 0.3, 0.5
BOTTOMS: Final = {Shape.NUMBER: 0.1}
"""What a panel keeps free around itself, for its title, the figures at its axes, and its legend."""
MOST_NAMED: Final = 8
"""More names than this hide the lines."""


@dataclass(frozen=True, slots=True)
class _Line:
    """Panels beside each other, under a row's ``title`` or none."""

    title: str
    panels: list[Panel]

    @property
    def height(self) -> float:
        return max(HEIGHTS.get(panel.shape, HEIGHT) for panel in self.panels)


def draw(board: Board, recording: Recording, file: Path) -> None:
    """Write the picture, a PNG."""
    lines = [line for row in board.rows for line in _lines(row)]
    height = sum(HEADING * bool(line.title) + line.height for line in lines)
    figure = Figure(figsize=(WIDTH, height), dpi=DOTS)
    start, end = span(recording)
    top = height
    for line in lines:
        if line.title:
            top -= HEADING
            at = (0.1 / WIDTH, (top + 0.05) / height)
            figure.text(*at, line.title, fontsize=11, fontweight="bold")
        top -= line.height
        for panel, left, wide in _placed(line):
            bottom = BOTTOMS.get(panel.shape, BOTTOM)
            axes = figure.add_axes(
                (
                    (left + LEFT) / WIDTH,
                    (top + bottom) / height,
                    (wide - LEFT - RIGHT) / WIDTH,
                    (line.height - TOP - bottom) / height,
                )
            )
            _panel(axes, panel, _answers(panel, recording, start, end))
            if panel.shape is not Shape.NUMBER:
                axes.set_xlim(0, end - start)
    figure.savefig(file)


def _lines(row: Row) -> list[_Line]:
    """A row's panels, as many beside each other as there is room for."""
    lines = [_Line(row.title, [])]
    for panel in row.panels:
        if sum(other.width for other in lines[-1].panels) + panel.width > COLUMNS:
            lines.append(_Line("", []))
        lines[-1].panels.append(panel)
    return lines


def _placed(line: _Line) -> Iterator[tuple[Panel, float, float]]:
    """Each panel with its left edge and its width."""
    left = 0.0
    for panel in line.panels:
        wide = panel.width * WIDTH / COLUMNS
        yield panel, left, wide
        left += wide


def _answers(panel: Panel, recording: Recording, start: float, end: float) -> list[Answer]:
    """All lines of ``panel``, named, at each second from ``start`` to ``end``."""
    return [
        Answer(
            legend(series.legend, line.labels) or panel.title,
            line.labels,
            aligned(line, start, end),
        )
        for series, lines in zip(panel.series, recording[panel.title], strict=True)
        for line in lines
    ]


def _panel(axes: Axes, panel: Panel, answers: list[Answer]) -> None:
    axes.set_title(panel.title, fontsize=8, loc="left", pad=3)
    axes.tick_params(labelsize=6, length=2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    _SHAPES[panel.shape](axes, panel, answers)


def _plot(axes: Axes, panel: Panel, answers: list[Answer]) -> None:
    for answer in answers:
        axes.plot(answer.values, linewidth=1, label=answer.name)
    _finish(axes, panel, answers)


def _stack(axes: Axes, panel: Panel, answers: list[Answer]) -> None:
    rows = [answer.filled for answer in answers]
    if rows:
        names = [answer.name for answer in answers]
        axes.stackplot(range(len(rows[0])), rows, labels=names, alpha=0.7)
    _finish(axes, panel, answers)


def _finish(axes: Axes, panel: Panel, answers: list[Answer]) -> None:
    flat = not any(value > 0 for answer in answers for value in answer.values)
    axes.set_ylim(0, 1 if flat else None)
    axes.grid(visible=True, linewidth=0.3)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: shown(value, panel.unit)))
    if 0 < len(answers) <= MOST_NAMED:
        style: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (-0.02, -0.12)}
        axes.legend(ncols=panel.width // 3, fontsize=6, frameon=False, handlelength=1.2, **style)


def _number(axes: Axes, panel: Panel, answers: list[Answer]) -> None:
    """The last value of each that still has one, as Grafana's instant query shows it."""
    axes.set_axis_off()
    last = [(a.name, a.values[-1]) for a in answers if not math.isnan(a.values[-1])]
    style: dict[str, Any] = {"ha": "center", "va": "center", "transform": axes.transAxes}
    for number, (name, value) in enumerate(last):
        at, color = (number + 0.5) / len(last), _color(panel, value)
        size = 15 if len(last) == 1 else 7
        axes.text(at, 0.6, shown(value, panel.unit), fontsize=size, color=color, **style)
        if len(last) > 1:
            axes.text(at, 0.2, name, fontsize=6, **style)


def _color(panel: Panel, value: float) -> str:
    low = panel.least is not None and value < panel.least
    high = panel.alarming is not None and value >= panel.alarming
    return "tab:red" if low or high else "tab:green"


def _heat(axes: Axes, panel: Panel, answers: list[Answer]) -> None:
    bounds, rows = buckets(answers)
    if rows:
        # The few that are slow have to be seen beside the many that are not.
        norm = PowerNorm(0.4, vmin=0)
        axes.pcolormesh(rows, cmap="Blues", norm=norm, rasterized=True)
    axes.set_yticks([n + 0.5 for n in range(len(bounds))], [shown(b, panel.unit) for b in bounds])


_SHAPES: Final[Mapping[Shape, Callable[[Axes, Panel, list[Answer]], None]]] = {
    Shape.LINES: _plot,
    Shape.STACK: _stack,
    Shape.NUMBER: _number,
    Shape.HEAT: _heat,
}
