"""The demo as `make demo` runs it. The heaviest of the tests, and so the last."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ON_CALL = 124
EXPECTED = 3 * 1000 + 2 * ON_CALL + 1


@pytest.mark.timeout(240)
def test_nothing_is_lost_while_providers_refuse_and_a_worker_is_killed(tmp_path: Path) -> None:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("FOGBELL_")}
    run = subprocess.run(
        [sys.executable, "-m", "fogbell_local", "demo"],
        env=environ | {"TMPDIR": str(tmp_path)},
        capture_output=True, text=True, timeout=220, check=False,
    )  # fmt: skip
    last = run.stdout.splitlines()[-1]
    found = re.fullmatch(
        rf"fogbell demo: expected={EXPECTED} delivered={EXPECTED} dead=0 outstanding=0 lost=0"
        r" duplicates=\d+",
        last,
    )
    assert found, run.stdout + run.stderr
    assert run.returncode == 0
    assert "with SIGKILL" in run.stdout
    assert_that_texts_failed_over(run.stdout)
    assert list(tmp_path.iterdir()) == []


def assert_that_texts_failed_over(printed: str) -> None:
    """Both gateways delivered, and together every text; more only where a lease was lost."""
    last = [line for line in printed.splitlines() if line.startswith("  sms: ")][-1]
    found = re.fullmatch(
        r"  sms: gateway-a (\d+) delivered and \d+ refused, gateway-b (\d+) delivered", last
    )
    assert found, last
    assert int(found[1]) + int(found[2]) >= ON_CALL
