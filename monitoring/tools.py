"""Prometheus' own programs: the system's, or Debian's packages laid out beside."""

import os
import shutil
from pathlib import Path

from fogbell_local.servers import ServerError, unpack


def promtool() -> Path:
    """What checks metrics, rules and queries. Raises ServerError, as the others here."""
    return _program("promtool", "prometheus")


def prometheus() -> Path:
    """The server."""
    return _program("prometheus", "prometheus")


def alertmanager() -> Path:
    """What alerts are sent to."""
    return _program("prometheus-alertmanager", "prometheus-alertmanager")


def _program(name: str, package: str) -> Path:
    there = shutil.which(name)
    if there:
        return Path(there)
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "fogbell" / package
    program = folder / "usr" / "bin" / name
    if not program.exists():
        unpack([package], folder)
    if not program.exists():
        raise ServerError(f"Debian's package {package} has no {name}: install {package}")
    return program
