"""One picture of a board: rows and panels where Grafana puts them, answers as it draws them.

No answer is smoothed or filled in: where Prometheus had nothing, there is nothing.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.ticker import FuncFormatter

from monitoring.dashboards.board import Board, Panel, Row, Shape
from monitoring.pictures.values import aligned, buckets, legend, shown
from monitoring.recording import Line, Recording

COLUMNS: Final = 24
UNIT: Final = (0.55, 0.3)
"""A cell of Grafana's grid, in inches."""
DOTS: Final = 80
"""An inch."""
HEADING: Final = 1
HEIGHTS: Final = {Shape.NUMBER: 4}
HEIGHT: Final = 7
MOST_NAMED: Final = 8
"""More names than this hide the lines."""

Answers = list[tuple[str, Line]]
"""Lines with the names that their legend has."""


def draw(board: Board, recording: Recording, file: Path) -> None:
    """Write the picture, a PNG."""
    lines = [line for row in board.rows for line in _lines(row)]
    height = sum(HEADING + tall for _, _, tall in lines)
    figure = Figure(figsize=(COLUMNS * UNIT[0], height * UNIT[1]), dpi=DOTS)
    grid = GridSpec(height, COLUMNS, figure=figure, left=0.03, right=0.99, top=0.985, bottom=0.02)
    start = _start(recording)
    top = 0
    for heading, panels, tall in lines:
        _head(figure.add_subplot(grid[top, :]), heading)
        left = 0
        for panel in panels:
            place = grid[top + HEADING : top + HEADING + tall, left : left + panel.width]
            _panel(figure.add_subplot(place), panel, recording[panel.title], start)
            left += panel.width
        top += HEADING + tall
    figure.savefig(file)


def _lines(row: Row) -> list[tuple[str, list[Panel], int]]:
    """A row's panels as they come to lie beside each other, with its title and their height."""
    lines: list[list[Panel]] = [[]]
    for panel in row.panels:
        if sum(other.width for other in lines[-1]) + panel.width > COLUMNS:
            lines.append([])
        lines[-1].append(panel)
    titles = [row.title] + [""] * (len(lines) - 1)
    return [
        (title, panels, max(HEIGHTS.get(panel.shape, HEIGHT) for panel in panels))
        for title, panels in zip(titles, lines, strict=True)
    ]


def _start(recording: Recording) -> float:
    return min(
        line.points[0][0]
        for panel in recording.values()
        for lines in panel
        for line in lines
        if line.points
    )


def _head(axes: Axes, title: str) -> None:
    axes.axis("off")
    axes.text(0, 0.1, title, fontsize=11, fontweight="bold", transform=axes.transAxes)


def _panel(axes: Axes, panel: Panel, answers: list[list[Line]], start: float) -> None:
    axes.set_title(panel.title, fontsize=8, loc="left", pad=3)
    axes.tick_params(labelsize=6, length=2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    named = [
        (legend(series.legend or panel.title, line.labels), _from(line, start))
        for series, lines in zip(panel.series, answers, strict=True)
        for line in lines
    ]
    _SHAPES[panel.shape](axes, panel, named)


def _from(line: Line, start: float) -> Line:
    return Line(line.labels, tuple((at - start, value) for at, value in line.points))


def _plot(axes: Axes, panel: Panel, named: Answers) -> None:
    for name, line in named:
        times, values = zip(*line.points, strict=True)
        axes.plot(times, values, linewidth=1, label=name)
    _finish(axes, panel, len(named))


def _stack(axes: Axes, panel: Panel, named: Answers) -> None:
    if named:
        times, rows = aligned([line for _, line in named])
        axes.stackplot(times, rows, labels=[name for name, _ in named], alpha=0.7)
    _finish(axes, panel, len(named))


def _finish(axes: Axes, panel: Panel, count: int) -> None:
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, linewidth=0.3)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: shown(value, panel.unit)))
    if 0 < count <= MOST_NAMED:
        axes.legend(fontsize=6, loc="upper left", framealpha=0.6, ncols=2)


def _number(axes: Axes, panel: Panel, named: Answers) -> None:
    """The last value of each that still has one, as Grafana's instant query shows it."""
    axes.set_xticks([])
    axes.set_yticks([])
    end = max((line.points[-1][0] for _, line in named), default=0)
    last = [(name, line.points[-1][1]) for name, line in named if line.points[-1][0] == end]
    for number, (name, value) in enumerate(last):
        at = (number + 0.5) / len(last)
        style: dict[str, Any] = {"ha": "center", "va": "center", "transform": axes.transAxes}
        axes.text(
            at, 0.55, shown(value, panel.unit), fontsize=16, color=_color(panel, value), **style
        )
        axes.text(at, 0.15, name if len(last) > 1 else "", fontsize=6, **style)


def _color(panel: Panel, value: float) -> str:
    low = panel.least is not None and value < panel.least
    high = panel.alarming is not None and value >= panel.alarming
    return "tab:red" if low or high else "tab:green"


def _heat(axes: Axes, panel: Panel, named: Answers) -> None:
    """Buckets hold what is below their bound: each is shown without those below it."""
    if not named:
        return
    times, bounds, rows = buckets([line for _, line in named])
    axes.pcolormesh(times, range(len(bounds)), rows, cmap="Blues", shading="nearest")
    axes.set_yticks(range(len(bounds)), [shown(bound, panel.unit) for bound in bounds])


_SHAPES: Final[Mapping[Shape, Callable[[Axes, Panel, Answers], None]]] = {
    Shape.LINES: _plot,
    Shape.STACK: _stack,
    Shape.NUMBER: _number,
    Shape.HEAT: _heat,
}
