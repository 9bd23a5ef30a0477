"""Prometheus' own programs: the system's, or Debian's package laid out beside."""

import shutil
from pathlib import Path

from fogbell_local.servers import ServerError, laid_out


def promtool() -> Path:
    """What checks metrics, rules and queries. Raises ServerError, as the others here."""
    return _program("promtool")


def prometheus() -> Path:
    """The server."""
    return _program("prometheus")


def _program(name: str) -> Path:
    if there := shutil.which(name):
        return Path(there)
    program = laid_out("prometheus") / "usr" / "bin" / name
    if not program.exists():
        raise ServerError(f"Debian's package has no {name}: install Prometheus")
    return program
