"""A short run of chaos, as `make chaos` makes long ones: nothing is lost, all is explained."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

SEED = 32
WITHIN = 420.0
"""Seconds. It takes about one minute on two cores that nobody else uses."""


@pytest.mark.timeout(WITHIN + 30)
def test_a_short_run_loses_nothing_and_explains_everything(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.chaos", "--short", f"--seed={SEED}", f"--results={tmp_path}"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=WITHIN, check=False,
    )  # fmt: skip
    told = re.fullmatch(
        rf"fogbell chaos: seed={SEED} deliveries=(\d+) faults=8"
        r" lost=0 duplicated=\d+ unexplained=0",
        run.stdout.splitlines()[-1],
    )
    assert told, run.stdout
    assert run.returncode == 0, run.stdout
    assert int(told[1]) > 1_000
    # The logs of a run that passed are of no use to anybody.
    (result,) = tmp_path.iterdir()
    kept = json.loads(result.read_text())
    assert kept["passed"]
    assert kept["totals"]["delivered"] > 1_000
