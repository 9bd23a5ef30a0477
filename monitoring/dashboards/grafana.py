"""The dashboards as Grafana reads them, by its own SDK.

``python -m monitoring.dashboards.grafana`` writes them to where the chart has them.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from grafana_foundation_sdk.builders import (
    common,
    dashboard,
    heatmap,
    prometheus,
    stat,
    text,
    timeseries,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from grafana_foundation_sdk.models.text import TextMode

from monitoring.dashboards import BOARDS, CHOICES
from monitoring.dashboards.board import Board, Choice, Panel, Shape
from monitoring.queries import matchers, placed

FILES: Final = Path(__file__).parents[2] / "charts" / "fogbell" / "files" / "dashboards"
CHOSEN: Final = matchers({choice.label: f"${choice.label}" for choice in CHOICES})
"""What a dashboard's variables choose."""

_SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${source}")
_HEIGHT: Final = 8


def document(board: Board) -> str:
    """``board`` as JSON. The objective's marks are left for the chart to fill in."""
    built = _builder(board).build()
    encoded = json.loads(JSONEncoder(sort_keys=True).encode(built))
    return json.dumps(encoded, indent=2, sort_keys=True) + "\n"


def documents() -> dict[str, str]:
    """Every board's JSON, by its file's name."""
    return {f"{board.uid}.json": document(board) for board in BOARDS}


def _builder(board: Board) -> dashboard.Dashboard:
    made = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.meaning)
        .tags(["fogbell"])
        .refresh("30s")
        .time("now-6h", "now")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(
            dashboard.DatasourceVariable("source").label("Prometheus").type("prometheus")
        )
        .link(
            dashboard.DashboardLink("Fogbell")
            .type(DashboardLinkType.DASHBOARDS)
            .tags(["fogbell"])
            .include_vars(True)
            .keep_time(True)
        )
    )
    for choice in CHOICES:
        made = made.with_variable(_variable(choice))
    for row in board.rows:
        made = made.with_row(dashboard.Row(row.title))
        for panel in row.panels:
            made = made.with_panel(_panel(panel))
    if board.text:
        made = made.with_row(dashboard.Row("Single people"))
        note = text.Panel().content(board.text).mode(TextMode.MARKDOWN).span(24).height(3)
        made = made.with_panel(note)
    return made


def _variable(choice: Choice) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(choice.label)
        .label(choice.label.capitalize())
        .datasource(_SOURCE)
        .query(f"label_values({choice.series}, {choice.label})")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
    )


def _panel(panel: Panel) -> Any:
    made = _SHAPES[panel.shape](panel)
    made = (
        made.title(panel.title)
        .description(panel.meaning)
        .unit(panel.unit.value)
        .datasource(_SOURCE)
        .span(panel.width)
        .height(5 if panel.shape is Shape.NUMBER else _HEIGHT)
    )
    for series in panel.series:
        target = (
            prometheus.Dataquery()
            .expr(placed(series.expression, CHOSEN))
            .legend_format(series.legend or panel.title)
        )
        if panel.shape is Shape.HEAT:
            target = target.format(PromQueryFormat.HEATMAP)
        if panel.shape is Shape.NUMBER:  # what is no more is not shown as if it were
            target = target.instant()
        made = made.with_target(target)
    return made


def _lines(_: Panel) -> timeseries.Panel:
    return (
        timeseries.Panel()
        .min(0)
        .fill_opacity(10)
        .show_points(options.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(options.LegendDisplayMode.LIST)
            .placement(options.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
    )


def _stack(panel: Panel) -> timeseries.Panel:
    stacking = common.StackingConfig().mode(options.StackingMode.NORMAL)
    return _lines(panel).stacking(stacking).fill_opacity(40)


def _number(panel: Panel) -> stat.Panel:
    if panel.least is not None:
        steps = [Threshold(value=None, color="red"), Threshold(value=panel.least, color="green")]
    else:
        steps = [Threshold(value=None, color="green")]
    if panel.alarming is not None:
        steps.append(Threshold(value=panel.alarming, color="red"))
    limits = dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)
    return stat.Panel().thresholds(limits)


def _heat(_: Panel) -> heatmap.Panel:
    return heatmap.Panel()


_SHAPES: Final[Mapping[Shape, Callable[[Panel], Any]]] = {
    Shape.LINES: _lines,
    Shape.STACK: _stack,
    Shape.NUMBER: _number,
    Shape.HEAT: _heat,
}


if __name__ == "__main__":
    FILES.mkdir(parents=True, exist_ok=True)
    for name, content in documents().items():
        (FILES / name).write_text(content)
