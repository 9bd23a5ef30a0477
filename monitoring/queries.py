"""Parts that expressions of alerts and panels share.

A metric is written as ``<name>{@}`` or ``<name>{@,label="x"}``: ``@`` stands for the matchers that
choose one installation: the chart fills them in for alerts, a dashboard's variables for panels.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from monitoring.catalogue import Metric, metrics

PLACE = "@"
"""Where the matchers of an installation come in."""

RATE: Final = "$__rate_interval"
"""A panel's window, which Grafana fits to the scrape's interval and to the panel's width."""

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


def matchers(here: Mapping[str, str]) -> str:
    """What chooses the series that have the labels of ``here``."""
    return ",".join(f'{label}="{value}"' for label, value in here.items())


def per_second(counter: str, *labels: str, of: str = "sum", window: str = RATE) -> str:
    """How fast ``counter``, a name with matchers, rises, for each set of ``labels``.

    ``of`` is "max" where every replica shows the same.
    """
    return f"{_each(of, labels)}(rate({counter}[{window}]))"


def increase(counter: str, *labels: str, of: str = "sum", window: str = RATE) -> str:
    """As `per_second`, by how much it has risen."""
    return f"{_each(of, labels)}(increase({counter}[{window}]))"


def quantile(share: float, buckets: str, *labels: str, window: str = RATE) -> str:
    """What ``share`` of a histogram's observations stay below, for each set of ``labels``.

    ``buckets`` is its name with matchers.
    """
    return f"histogram_quantile({share}, {per_second(buckets, 'le', *labels, window=window)})"


def _each(of: str, labels: tuple[str, ...]) -> str:
    return f"{of} by ({', '.join(labels)}) " if labels else of
