"""``python -m bench``: measure, keep the results, and say which aims are met.

Exits 1 where a case failed or its records were wrong; an aim that is not met is a result.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import uvloop

from bench import machine, results, table
from bench.plot import ROOT, Ground
from bench.rows import accept, email, expand, inbox, isolation, memory, progress, sweep, tune, work
from bench.rows import machine as whole_machine
from bench.running import measure
from bench.sizes import FULL, SHORT, Sizes
from bench.values import Row
from fogbell_local.servers import install

ROWS: tuple[Row, ...] = (
    expand.ROW,
    work.ROW,
    email.ROW,
    whole_machine.ROW,
    accept.ROW,
    isolation.ROW,
    inbox.ROW,
)
GROWTH: tuple[Row, ...] = (memory.ROW, sweep.ROW, progress.ROW)
TUNING: tuple[Row, ...] = (tune.ROW,)
RESULTS = ROOT / "bench" / "results"


def main() -> int:
    """Run what the command line asks for."""
    told = _arguments()
    offered = {row.name: row for row in (*ROWS, *GROWTH, *TUNING)}
    named = told.rows or [row.name for row in (GROWTH if told.growth else ROWS)]
    # Figures of a short run mean nothing: it is kept only where it is told to be.
    folder = told.results or (None if told.short else RESULTS)
    run = perform([offered[name] for name in named], SHORT if told.short else FULL, folder)
    for line in table.lines(run):
        _say(line)
    return 1 if run["faults"] else 0


def perform(rows: list[Row], sizes: Sizes, folder: Path | None) -> results.Json:
    """Measure ``rows`` on servers of their own; the run, kept in ``folder`` if there is one."""
    install(_say)
    with (
        tempfile.TemporaryDirectory(prefix="fogbell-bench-") as directory,
        Ground.started(Path(directory)) as ground,
    ):
        about = machine.machine(ground)
        measured = uvloop.run(measure(ground, rows, sizes, _say))
    run = results.document(measured, about, machine.versions(), machine.commit())
    if folder is not None:
        _say(f"kept as {results.write(folder, run)}")
    return run


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names = [row.name for row in (*ROWS, *GROWTH, *TUNING)]
    parser.add_argument("rows", nargs="*", choices=[[], *names], help="default: all but growing")
    parser.add_argument("--growth", action="store_true", help="the growing rows instead")
    parser.add_argument("--short", action="store_true", help="tiny sizes: figures mean nothing")
    parser.add_argument("--results", type=Path, help="where the run is kept")
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
