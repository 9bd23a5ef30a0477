"""``python -m bench.report``: write the page and its plots from the newest run, or a given one."""

import argparse
import json
from pathlib import Path

from bench.plot import ROOT
from bench.report import page, plots
from bench.results import LATEST

RUN = ROOT / "bench" / "results" / LATEST
DOCS = ROOT / "docs"
PLOTS = "performance"
"""The folder of the plots, beside the page."""


def main() -> None:
    """Write what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m bench.report", description=__doc__)
    parser.add_argument("run", nargs="?", type=Path, default=RUN, help="the run's JSON")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where the page is written")
    told = parser.parse_args()
    print(f"written: {write(told.run, told.docs)}")


def write(run: Path, docs: Path) -> Path:
    """Write ``performance.md`` into ``docs``, and the plots into a folder beside it."""
    measured = json.loads(run.read_text())
    folder = docs / PLOTS
    folder.mkdir(parents=True, exist_ok=True)
    drawn = plots.draw(measured, folder)
    target = docs / "performance.md"
    target.write_text(
        page.written(measured, {row: f"{PLOTS}/{name}" for row, name in drawn.items()})
    )
    return target


if __name__ == "__main__":
    main()
