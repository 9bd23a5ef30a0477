"""Debian's packages: installed, or laid out beside the system, where that is enough."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from fogbell_local.cache import cache
from fogbell_local.servers.process import ServerError

LOCK_SECONDS = 300.0
LOCK_POLL = 1.0

_ENVIRONMENT = {
    "DEBIAN_FRONTEND": "noninteractive",
    "RUNLEVEL": "1",  # a service that a package would start is none of ours
    "LC_ALL": "C",  # what it says is read
}


def apt_install(*packages: str, instead: str = "start Docker") -> None:
    """Install ``packages`` without a question, and without starting a service of theirs.

    Raises ServerError with what to do, such as what one may do ``instead``.
    """
    names = " ".join(packages)
    if shutil.which("apt-get") is None:
        raise ServerError(f"install {names} with your system's package manager, or {instead}")
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if prefix and shutil.which("sudo") is None:
        raise ServerError(f"run as root: apt-get install {names}")
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        run = _apt_get(*arguments, prefix=prefix)
        if run.returncode != 0:
            raise ServerError(f"apt-get {arguments[0]} failed: {(run.stdout + run.stderr)[-800:]}")


def laid_out(*packages: str) -> Path:
    """The root below which the files of ``packages`` are: fetched once for this machine, whole, and
    not installed, for that would take root. Raises ServerError.
    """
    folder = cache() / "debian" / "+".join(packages)
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as making:
        root = Path(making) / "root"
        root.mkdir()
        _lay_out(packages, root, Path(making))
        try:
            root.rename(folder)
        except OSError:
            if not folder.exists():  # nobody else was first
                raise
    return folder


def _lay_out(packages: Sequence[str], root: Path, downloads: Path) -> None:
    if shutil.which("apt-get") is None:
        raise ServerError(f"install {' '.join(packages)} with your system's package manager")
    run = _apt_get("download", *packages, folder=downloads)
    if run.returncode != 0:  # a fresh machine has no lists yet
        _apt_get("update")
        run = _apt_get("download", *packages, folder=downloads)
    if run.returncode != 0:
        raise ServerError(f"apt-get download failed: {run.stderr[-800:]}")
    for package in sorted(downloads.glob("*.deb")):
        run = _run(["dpkg", "-x", str(package), str(root)])
        if run.returncode != 0:
            raise ServerError(f"dpkg -x {package.name} failed: {run.stderr[-800:]}")


def _apt_get(
    *arguments: str, prefix: Sequence[str] = (), folder: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run it, and again while another has the lock: a machine that has just started may still be
    installing for itself.
    """
    settings = [f"{name}={value}" for name, value in _ENVIRONMENT.items()]
    command = [*prefix, "env", *settings, "apt-get", "-qq", *arguments]
    ends = time.monotonic() + LOCK_SECONDS
    while True:
        run = _run(command, folder)
        if "Could not get lock" not in run.stderr or time.monotonic() > ends:
            return run
        time.sleep(LOCK_POLL)  # apt-get has no way to wait for the lock of the lists


def _run(command: Sequence[str], folder: Path | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
