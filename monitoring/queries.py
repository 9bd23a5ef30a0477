"""Parts that expressions of alerts and panels share.

A metric is written as ``<name>{@}`` or ``<name>{@,label="x"}``: ``@`` stands for the matchers that
choose one installation: the chart fills them in for alerts, a dashboard's variables for panels.
"""

import re
from collections.abc import Iterator

from monitoring.catalogue import Metric, metrics

PLACE = "@"
"""Where the matchers of an installation come in."""

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_WINDOW = re.compile(r"(\[|offset )(\d+[smhd])")
_NAME = re.compile(r"\b(fogbell_\w+)(\{[^}]*\})?")


def used(expression: str) -> Iterator[Metric]:
    """The metrics of ``expression``. Raises ValueError for one that does not exist, or that is
    asked for without saying of which installation.
    """
    known = {metric.name: metric for metric in metrics()}
    for name, matchers in _NAME.findall(expression):
        metric = known.get(name) or known.get(re.sub("_(bucket|sum|count)$", "", name))
        if metric is None:
            raise ValueError(f"there is no metric {name}: {expression}")
        if not matchers.startswith("{" + PLACE):
            raise ValueError(f"{name} is asked for everywhere, expected {name}{{@}}: {expression}")
        yield metric


def hastened(expression: str, factor: float) -> str:
    """``expression`` with windows that are ``factor`` times as short, for who cannot wait."""
    return _WINDOW.sub(lambda found: found[1] + shorter(found[2], factor), expression)


def shorter(duration: str, factor: float) -> str:
    """``duration``, such as ``5m``, divided by ``factor``; as Prometheus writes it."""
    number, unit = int(duration[:-1]), duration[-1]
    return f"{round(number * _SECONDS[unit] * 1000 / factor)}ms"


def placed(expression: str, matchers: str) -> str:
    """``expression`` for what ``matchers`` choose, such as ``namespace="notify"``; maybe ``""``."""
    if not matchers:
        expression = expression.replace(f"{{{PLACE},", "{")
    return expression.replace(f"{{{PLACE}", f"{{{matchers}")
