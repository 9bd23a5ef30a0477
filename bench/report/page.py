"""The page: tables from the run, words from ``words/<row>.md``. Pure, but for reading those."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.table import best_of
from bench.values import FOGBELL

Json = dict[str, Any]
WORDS = Path(__file__).parent / "words"

_HEAD = """# Performance

<!-- Written by `python -m bench.report` from bench/results/latest.json and bench/report/words:
change those. -->

How fast Fogbell is, beside the task queues that a Python team would take otherwise, on the same
machine and the same work. `make bench` measures it again, `make bench-growth` what must not grow.
[bench/](../bench/README.md) says how, and what the peers' code is.
"""


def written(run: Json, plots: Mapping[str, str]) -> str:
    """The whole page; ``plots`` is where each row's picture is, from the page."""
    parts = [_HEAD, *_machine(run), *_aims(run)]
    for name, row in run["rows"].items():
        parts += _row(name, row, plots.get(name))
    return "\n".join(parts).rstrip() + "\n"


def _machine(run: Json) -> Iterator[str]:
    machine, versions = run["machine"], run["versions"]
    yield "## Measured on\n"
    yield (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB,"
        f" {machine['system']}, {machine['disk']}. Everything shares them: MongoDB, RabbitMQ, the"
        " system that is measured, what sends to it, and what it sends to.\n"
    )
    yield ", ".join(f"{name} {version}" for name, version in versions.items()) + ".\n"
    commits = sorted({(row["time"], row["commit"][:12]) for row in run["rows"].values()})
    shown = ", ".join(f"{time} at `{commit}`" for time, commit in commits)
    yield f"Times and commits: {shown}.\n"


def _aims(run: Json) -> Iterator[str]:
    yield "## Aims\n"
    yield "| aim | measured | aimed at | |\n|---|---|---|---|"
    for aim in run["aims"]:
        value = "not measured" if aim["value"] is None else f"{number(aim['value'])} {aim['unit']}"
        word = "met" if aim["met"] else "**not met**"
        yield f"| {aim['name']} | {value} | {aim['aim']} | {word} |"
    yield ""
    for fault in run["faults"]:
        yield f"**Failed:** {fault}\n"


def _row(name: str, row: Json, plot: str | None) -> Iterator[str]:
    yield f"## {name}\n"
    yield f"{row['title'][0].upper()}{row['title'][1:]}.\n"
    if plot is not None:
        yield f"![{name}]({plot})\n"
    yield from _table(row)
    words = WORDS / f"{name}.md"
    if words.exists():
        yield words.read_text()


def _table(row: Json) -> Iterator[str]:
    """One line a case: the figure that counts, its spread, its ratio, and the other figures."""
    unit, best = row["unit"], best_of(row, FOGBELL)
    yield f"| system | setting | {unit} | lowest to highest | Fogbell's best is | besides |"
    yield "|---|---|---|---|---|---|"
    for case in row["cases"]:
        value = case["medians"].get(row["figure"])
        if value is None:
            continue
        found = [sample[row["figure"]] for sample in case["samples"]]
        spread = f"{number(min(found))} to {number(max(found))}"
        compared = _compared(best, value, row) if case["system"] != FOGBELL else ""
        yield (
            f"| {case['system']} | {case['setting']} | {number(value)} | {spread} | {compared}"
            f" | {_besides(case, row['figure'])} |"
        )
    yield ""


def _compared(best: float | None, value: float, row: Json) -> str:
    if not best or not value:
        return ""
    times = value / best if row["less_is_better"] else best / value
    return f"{times:.1f} times"


def _besides(case: Json, figure: str) -> str:
    left = {name: value for name, value in case["medians"].items() if name != figure}
    return ", ".join(f"{name} {number(value)}" for name, value in left.items())


def number(value: float) -> str:
    """Three digits that count, and all before the point."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
