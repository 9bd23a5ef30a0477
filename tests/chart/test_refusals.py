"""Wrong values end helm with a sentence: nothing is installed that could not work."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.chart.rendering import VALUES, template

MINIMAL = yaml.safe_load((VALUES / "minimal.yaml").read_text())
WRONG: dict[str, dict[str, Any]] = yaml.safe_load(VALUES.with_name("wrong.yaml").read_text())


def merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    both = {
        k: merged(base[k], v) if isinstance(v, dict) and isinstance(base.get(k), dict) else v
        for k, v in change.items()
    }
    return {**base, **both}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_values_are_refused_with_a_sentence(case: str, tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(merged(MINIMAL, WRONG[case]["values"])))
    done = template("--values", file)
    assert done.returncode != 0, case
    assert WRONG[case]["says"] in done.stderr


def test_values_without_anything_are_refused() -> None:
    done = template()
    assert done.returncode != 0
    assert "dev.enabled=true" in done.stderr
