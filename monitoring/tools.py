"""Prometheus' own programs: the system's, or Debian's package laid out beside."""

import os
import shutil
from pathlib import Path

from fogbell_local.servers import ServerError, unpack


def promtool() -> Path:
    """What checks metrics, rules and queries. Raises ServerError, as the others here."""
    return _program("promtool")


def prometheus() -> Path:
    """The server."""
    return _program("prometheus")


def _program(name: str) -> Path:
    there = shutil.which(name)
    if there:
        return Path(there)
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "fogbell" / "prometheus"
    program = folder / "usr" / "bin" / name
    if not program.exists():
        unpack(["prometheus"], folder)
    if not program.exists():
        raise ServerError(f"Debian's package has no {name}: install Prometheus")
    return program
