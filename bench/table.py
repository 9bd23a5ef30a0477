"""A run for a person at a terminal: every case with its ratio to Fogbell, then the aims."""

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]


def lines(run: Json) -> Iterator[str]:
    """The whole table."""
    for name, row in run["rows"].items():
        yield f"\n{name}: {row['title']} ({row['unit']})"
        yield from _cases(row)
    yield "\naims"
    for aim in run["aims"]:
        value = "not measured" if aim["value"] is None else f"{aim['value']:,.2f} {aim['unit']}"
        word = "met    " if aim["met"] else "NOT met"
        yield f"  {word}  {aim['name']:<44} {value:>20}  ({aim['aim']})"
    for fault in run["faults"]:
        yield f"  FAILED  {fault}"


def _cases(row: Json) -> Iterator[str]:
    best = best_of(row, "fogbell")
    for case in row["cases"]:
        value = case["medians"].get(row["figure"])
        if value is None:
            continue
        shown = f"  {case['system']:<16} {case['setting']:<16} {value:>14,.1f}"
        if best and value and case["system"] != "fogbell":
            shown += f"   Fogbell's best / this: {best / value:.2f}"
        yield shown


def best_of(row: Json, system: str) -> float | None:
    """The best median of a system in a row."""
    found = [c["medians"].get(row["figure"]) for c in row["cases"] if c["system"] == system]
    known = [value for value in found if value is not None]
    if not known:
        return None
    return float(min(known) if row["less_is_better"] else max(known))
