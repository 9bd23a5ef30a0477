"""Dashboards as they are declared: what is asked, and how it is shown. Grafana comes later.

Expressions are written as in `monitoring.queries`.
"""

from dataclasses import dataclass
from enum import StrEnum


class Shape(StrEnum):
    """How a panel shows its series."""

    LINES = "lines"
    STACK = "stack"
    NUMBER = "number"
    HEAT = "heat"


class Unit(StrEnum):
    """Of what a panel's values are, in Grafana's words."""

    COUNT = "short"
    PER_SECOND = "ops"
    SECONDS = "s"
    SHARE = "percentunit"
    BYTES = "bytes"
    YES_NO = "bool_yes_no"
    FROM_NOW = "dateTimeFromNow"
    TIMES = "x"


@dataclass(frozen=True, slots=True)
class Series:
    """One expression; ``legend`` may name labels, such as ``{{channel}}``."""

    legend: str
    expression: str


@dataclass(frozen=True, slots=True)
class Panel:
    """A question and its answer; ``width`` is of 24. A number is red from ``alarming`` on, or below
    ``least``.
    """

    title: str
    meaning: str
    unit: Unit
    series: tuple[Series, ...]
    shape: Shape = Shape.LINES
    width: int = 12
    alarming: float | None = None
    least: float | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """What a reader chooses: a value that ``label`` has among ``series``, a selector. There ``$x``
    stands for what was chosen before of the label ``x``.
    """

    label: str
    series: str


@dataclass(frozen=True, slots=True)
class Row:
    """Panels that belong together."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard. ``text`` is shown at its end, as Markdown."""

    uid: str
    title: str
    meaning: str
    rows: tuple[Row, ...]
    text: str = ""

    @property
    def panels(self) -> list[Panel]:
        """All of its panels, in their order."""
        return [panel for row in self.rows for panel in row.panels]
