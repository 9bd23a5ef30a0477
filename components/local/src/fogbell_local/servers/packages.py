"""Debian's packages, laid out beside the system: installed, they would take root, and may start a
service.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from fogbell_local.servers.process import ServerError


def cache() -> Path:
    """What is made or fetched once for each machine, by name and version."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "fogbell"


def laid_out(*packages: str) -> Path:
    """The root below which the files of Debian's ``packages`` are, in a folder of `cache` that is
    called like the first. What stands there is whole. Raises ServerError.
    """
    folder = cache() / packages[0]
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as making:
            _unpack(packages, Path(making) / "root", Path(making))
            try:
                (Path(making) / "root").rename(folder)
            except OSError:
                if not folder.exists():  # nobody was first
                    raise
    return folder


def _unpack(packages: Sequence[str], root: Path, downloads: Path) -> None:
    if shutil.which("apt-get") is None:
        names = " ".join(packages)
        raise ServerError(f"install {names} with your system's package manager")
    fetch = ["apt-get", "-qq", "download", *packages]
    run = _run(fetch, downloads)
    if run.returncode != 0:  # a fresh machine has no lists yet
        _run(["apt-get", "-qq", "update"], downloads)
        run = _run(fetch, downloads)
    if run.returncode != 0:
        raise ServerError(f"apt-get download failed: {run.stderr[-800:]}")
    for package in sorted(downloads.glob("*.deb")):
        subprocess.run(["dpkg", "-x", package, root], check=True)


def _run(command: Sequence[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
