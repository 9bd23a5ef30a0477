"""How far a notification is, as a table and as a line. Pure."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.table import Table

STATUSES = ("pending", "sending", "failed", "delivered", "dead", "skipped", "cancelled")
OUTSTANDING = ("pending", "sending", "failed")

_STYLES = {"delivered": "green", "failed": "yellow", "dead": "red", "sending": "cyan"}


def settled(document: Mapping[str, Any]) -> bool:
    """Whether nothing about this notification will change any more."""
    if document["status"] == "cancelled":
        return outstanding(document) == 0
    return bool(document["status"] == "settled")


def outstanding(document: Mapping[str, Any]) -> int:
    """How many of its deliveries are not settled."""
    return sum(document["totals"].get(status, 0) for status in OUTSTANDING)


def table(document: Mapping[str, Any]) -> Table:
    """Totals by channel and status; a sum where there are several channels."""
    title = f"{document['id']}  {_state(document)}"
    result = Table(
        title=title, title_justify="left", caption_justify="left", box=box.SIMPLE_HEAD,
        show_edge=False,  # every status fits into 80 columns
    )  # fmt: skip
    result.add_column("channel")
    for status in STATUSES:
        result.add_column(status, justify="right", style=_STYLES.get(status))
    by_channel = document["by_channel"]
    for channel in sorted(by_channel):
        result.add_row(channel, *_cells(by_channel[channel]))
    if len(by_channel) != 1:
        result.add_section()
        result.add_row("all", *_cells(document["totals"]))
    expected = document["expected"]
    result.caption = f"expected: {'not known yet' if expected is None else expected}"
    if as_of := document.get("as_of"):
        result.caption += f", as of {as_of}"
    return result


def line(document: Mapping[str, Any]) -> str:
    """The same on one line: what is not a terminal gets one whenever something has changed."""
    totals = document["totals"]
    counts = [f"{status}={totals[status]}" for status in STATUSES if totals.get(status)]
    expected = document["expected"]
    counts.insert(0, f"expected={'?' if expected is None else expected}")
    return f"{_state(document)}: {' '.join(counts)}"


def _state(document: Mapping[str, Any]) -> str:
    reason = document.get("reason")
    return f"{document['status']} ({reason})" if reason else str(document["status"])


def _cells(counts: Mapping[str, int]) -> list[str]:
    return [str(counts.get(status, 0) or "-") for status in STATUSES]
