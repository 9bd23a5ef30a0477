"""Who watches while faults happen: what rings and has rung, and which panels have had data."""

import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from string import Template

from monitoring.alerts import ALERTS
from monitoring.dashboards import BOARDS, CHOICES, Board
from monitoring.objective import Objective
from monitoring.queries import RATE, hastened, matchers, placed, used
from monitoring.recording import keep, record
from tests.support.prometheus import Watch

AIM = Objective(share=0.99, seconds=0.5)
WINDOW = "5s"
"""A panel's window, where Grafana would choose one."""


class Witness:
    """Looks at one installation, whose series have the labels ``here``, ``factor`` times as fast as
    alerts and panels are shipped: at what the operator serves, or at all else. Methods block.

    ``alerts`` are those that are to ring, ``ever`` those that have; ``ringing`` are the labels of
    what rang at the last look.
    """

    def __init__(
        self, watch: Watch, here: Mapping[str, str], factor: float, *, operator: bool
    ) -> None:
        self.watch = watch
        self._here, self._factor = here, factor
        self.alerts = {alert.name for alert in ALERTS if alert.operator == operator}
        self.ringing: list[Mapping[str, str]] = []
        self.ever: set[str] = set()
        self._silent = {
            f"{board.title}, {panel.title}, {number}": self._asked(series.expression)
            for board in BOARDS
            for panel in board.panels
            for number, series in enumerate(panel.series)
            if _of_operator(series.expression) == operator
        }

    def look(self) -> None:
        """Once. Raises AssertionError where a panel's expression is refused."""
        self.ringing = self.watch.ringing()
        self.ever |= {labels["alertname"] for labels in self.ringing}
        for where, expression in list(self._silent.items()):
            if self.watch.query(expression):
                del self._silent[where]

    def rings(self, alert: str, **labels: str) -> bool:
        """Whether it rang at the last look, with these labels among its own."""
        wanted = {"alertname": alert, **labels}
        return any(wanted.items() <= own.items() for own in self.ringing)

    def complaints(self) -> list[str]:
        """What is missing once every fault has been made."""
        return [
            *self.watch.unhealthy(),
            *(f"{alert} has never rung" for alert in sorted(self.alerts - self.ever)),
            *(f"{where} has never had data" for where in sorted(self._silent)),
            *(f"{label} cannot be chosen in a dashboard" for label in self._unoffered()),
        ]

    def keep(self, boards: Iterable[Board], folder: Path) -> None:
        """Keep what the panels of ``boards`` have shown until now."""
        until = time.time()
        for board in boards:
            shown = record(board, self._asked, lambda asked: self.watch.history(asked, until))
            keep(shown, board, folder)

    def _unoffered(self) -> Iterator[str]:
        for choice in CHOICES:
            series = Template(choice.series).substitute(self._here)
            if self._here[choice.label] not in self.watch.values(choice.label, series):
                yield choice.label

    def _asked(self, expression: str) -> str:
        hasty = hastened(AIM.fill(expression), self._factor)
        return placed(hasty, matchers(self._here)).replace(RATE, WINDOW)


def _of_operator(expression: str) -> bool:
    return any(metric.components == ("operator",) for metric in used(expression))
