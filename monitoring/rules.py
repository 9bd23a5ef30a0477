"""The alerts as Prometheus reads them.

``python -m monitoring.rules`` writes them to where the chart has them, and their table to
docs/operations.md.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from monitoring.alerts import ALERTS, SECONDS, Alert
from monitoring.objective import Objective
from monitoring.pages import DOCS, markdown, write
from monitoring.queries import hastened, matchers, placed, shorter

DOCUMENT: Final = DOCS / "operations.md"
_GROUPS: Final = {"fogbell": False, "fogbell-operator": True}
"""Whether a group is the operator's."""

RULES: Final = Path(__file__).parents[1] / "charts" / "fogbell" / "files" / "alerts.yaml"


def rules(
    here: Mapping[str, str],
    objective: Objective | None = None,
    *,
    factor: float = 1.0,
    operator: bool | None = None,
) -> dict[str, Any]:
    """The alerts of one installation, as a file of Prometheus' rules has them.

    ``here`` are the labels that its series have, and its alerts as well: of two installations,
    Alertmanager would take equal ones for one. Whoever cannot wait for hours takes a ``factor``:
    every duration is as many times as short. Only the ``operator``'s, or only all others: as the
    chart leaves those out where there is none.
    """
    aim = objective or Objective()
    document = _document(factor, operator)
    for group in document["groups"]:
        for rule in group["rules"]:
            rule["expr"] = placed(aim.fill(rule["expr"]), matchers(here))
            rule["labels"] |= here
    return document


def text() -> str:
    """The alerts as the chart keeps them, to be placed by it."""
    return yaml.safe_dump(_document(), sort_keys=False, width=1_000)


def _document(factor: float = 1.0, operator: bool | None = None) -> dict[str, Any]:
    return {
        "groups": [
            {"name": name, "rules": [_rule(a, factor) for a in ALERTS if a.operator == own]}
            for name, own in _GROUPS.items()
            if operator in (None, own)
        ]
    }


def _rule(alert: Alert, factor: float) -> dict[str, Any]:
    expression = alert.expression.replace(SECONDS, f"{alert.seconds / factor:g}")
    lasting = alert.lasting
    if factor != 1:
        expression, lasting = hastened(expression, factor), shorter(lasting, factor)
    return {
        "alert": alert.name,
        "expr": expression,
        "for": lasting,
        "labels": {"severity": alert.severity},
        "annotations": {"summary": alert.summary, "runbook_url": f"{alert.runbook}.md"},
    }


def table() -> str:
    """The alerts as Markdown, for docs/operations.md."""
    return markdown(("alert", "how urgent", "holds for", "says"), map(_cells, ALERTS))


def _cells(alert: Alert) -> tuple[str, ...]:
    link = f"[{alert.name}](runbooks/{alert.runbook}.md)"
    says = re.sub(r"{{ \$(?:labels\.)?(\w+)[^}]*}}", r"*\1*", alert.summary)
    return link, alert.severity, alert.lasting, says


if __name__ == "__main__":
    RULES.write_text(text())
    write(DOCUMENT, "alerts", table())
