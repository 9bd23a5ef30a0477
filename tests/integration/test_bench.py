"""The benches in their short form: every row runs, and every delivery is accounted for."""

import asyncio
import json
import sys
from pathlib import Path

import pytest
from bench.__main__ import GROWTH, ROWS
from bench.report.__main__ import write
from bench.results import LATEST

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(300)
async def test_every_row_measures_each_of_its_systems_and_loses_nothing(tmp_path: Path) -> None:
    names = [row.name for row in (*ROWS, *GROWTH)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench", "--short", "--results", str(tmp_path), *names),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    run = json.loads((tmp_path / LATEST).read_text())
    assert list(run["rows"]) == names
    assert run["faults"] == []
    assert all(row["cases"] for row in run["rows"].values())
    page = write(tmp_path / LATEST, tmp_path).read_text()
    assert all(f"## {name}\n" in page for name in names)
    assert all((tmp_path / "performance" / f"{name}.svg").exists() for name in names)
