"""The plots: a bar for each system's best, or a line against the size where a row grows."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot

from bench.table import best_of
from bench.values import FOGBELL

Json = dict[str, Any]

OWN, OTHERS = "#b8442c", "#8a94a6"
GROWTH = ("memory", "sweep", "progress")
SIZE = "deliveries"
"""The figure that says how large a case of a growing row is."""

# The same run gives the same file: no random ids, no time of drawing.
mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "fogbell"


def draw(run: Json, folder: Path) -> dict[str, str]:
    """Draw every row that there is something to draw of; the file's name for each."""
    drawn = {}
    for name, row in run["rows"].items():
        figure, axes = pyplot.subplots(figsize=(8, 3.2), layout="constrained")
        if not (_line(axes, row) if name in GROWTH else _bars(axes, row)):
            pyplot.close(figure)
            continue
        axes.set_title(row["title"], loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
        pyplot.close(figure)
        drawn[name] = f"{name}.svg"
    return drawn


def _bars(axes: Any, row: Json) -> bool:
    """The best of each system; the settings of Fogbell where there is nobody else."""
    systems = list(dict.fromkeys(case["system"] for case in row["cases"]))
    if systems == [FOGBELL]:
        found = [(c["setting"], c["medians"].get(row["figure"])) for c in row["cases"]]
    else:
        found = [(system, best_of(row, system)) for system in systems]
    known = [(name, value) for name, value in found if value is not None]
    if not known:
        return False
    names, values = [name for name, _ in known], [value for _, value in known]
    colours = [OWN if name == FOGBELL or systems == [FOGBELL] else OTHERS for name in names]
    bars = axes.barh(names, values, color=colours)
    axes.bar_label(bars, fmt="{:,.0f}", padding=4, fontsize=9)
    axes.invert_yaxis()
    axes.set_xlabel(row["unit"])
    return True


def _line(axes: Any, row: Json) -> bool:
    """The figure against the size, from zero: what is flat has to look flat. Where each component
    has one of its own, as of memory, a line for each.
    """
    ending = f"_{row['figure']}"
    own = {name for case in row["cases"] for name in case["medians"] if name.endswith(ending)}
    for name in sorted(own) or [row["figure"]]:
        points = sorted(
            (case["medians"][SIZE], case["medians"][name])
            for case in row["cases"]
            if {SIZE, name} <= case["medians"].keys()
        )
        label = name.removesuffix(ending) if own else None
        axes.plot([x for x, _ in points], [y for _, y in points], marker="o", label=label)
    if own:
        axes.legend(frameon=False)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("deliveries")
    axes.set_ylabel(row["unit"])
    return bool(row["cases"])
