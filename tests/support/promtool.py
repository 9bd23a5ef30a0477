"""Prometheus' own checks, as tests ask for them."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from monitoring.tools import promtool


def checked(*arguments: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
    """What promtool makes of what it is given, ``text`` as its input."""
    return subprocess.run(
        [promtool(), *arguments], input=text, capture_output=True, text=True, check=False
    )


def checked_rules(document: Mapping[str, Any], directory: Path) -> subprocess.CompletedProcess[str]:
    """What it makes of a file of rules."""
    path = directory / "rules.yaml"
    path.write_text(yaml.safe_dump(dict(document)))
    return checked("check", "rules", path)
