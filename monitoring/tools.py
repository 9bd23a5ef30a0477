"""Prometheus' own programs: the system's, or Debian's package laid out beside."""

import os
import shutil
from pathlib import Path

from fogbell_local.servers import ServerError, unpack


def promtool() -> Path:
    """What checks metrics, rules and queries. Raises ServerError."""
    return _program("promtool")


def _program(name: str) -> Path:
    there = shutil.which(name)
    if there:
        return Path(there)
    folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "fogbell/prometheus"
    program = folder / "usr" / "bin" / name
    if not program.exists():
        unpack(["prometheus"], folder)
    if not program.exists():
        raise ServerError(f"Debian's package has no {program.name}: install Prometheus")
    return program
