"""The programs that break things: built or fetched once for a machine, kept by version.

Toxiproxy stands in the network between components and servers; libfaketime gives a process a wrong
clock.
"""

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.kinds import NETWORK, Kind
from tests.cluster.harness.places import cache
from tests.cluster.harness.running import HarnessError, run

TOXIPROXY = "github.com/Shopify/toxiproxy/v2/cmd/server"
TOXIPROXY_VERSION = "v2.5.0"
_LIBRARY = "usr/lib/*/faketime/libfaketime.so.1"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Programs:
    """Where they are; None for one that no fault of a plan needs."""

    toxiproxy: Path | None = None
    faketime: Path | None = None


def provide(kinds: Iterable[Kind], say: Say) -> Programs:
    """What faults of ``kinds`` need. Raises `HarnessError`."""
    wanted = set(kinds)
    return Programs(
        toxiproxy=toxiproxy(say) if wanted & NETWORK else None,
        faketime=libfaketime(say) if Kind.WRONG_CLOCK in wanted else None,
    )


def toxiproxy(say: Say) -> Path:
    """Its server, built from its Go module the first time. Raises `HarnessError`."""
    folder = cache() / f"toxiproxy-{TOXIPROXY_VERSION}"
    program = folder / "server"
    if not program.exists():
        say(f"building Toxiproxy {TOXIPROXY_VERSION}: 1 to 3 minutes, once for this machine")
        folder.mkdir(parents=True, exist_ok=True)
        env = {"GOBIN": str(folder), "GOFLAGS": "", "CGO_ENABLED": "0"}
        module = f"{TOXIPROXY}@{TOXIPROXY_VERSION}"
        run(_go(), "install", "-ldflags", "-s -w", module, cwd=folder, env=env)
    return program


def libfaketime(say: Say) -> Path:
    """Its library: the system's, or Debian's package laid out beside. Raises `HarnessError`."""
    if (found := _library(Path("/"))) is not None:
        return found
    for folder in sorted(cache().glob("libfaketime-*"), reverse=True):
        if (found := _library(folder)) is not None:
            return found
    say("fetching Debian's package libfaketime")
    return _fetched()


def _fetched() -> Path:
    """Not installed: that would take root, and change the system for everybody."""
    if shutil.which("apt-get") is None:
        raise HarnessError("install libfaketime with your system's package manager")
    draft = cache() / "libfaketime.draft"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        run("apt-get", "-qq", "download", "libfaketime", cwd=draft)
    except HarnessError:  # a fresh machine has no lists yet
        run("apt-get", "-qq", "update")
        run("apt-get", "-qq", "download", "libfaketime", cwd=draft)
    package = next(draft.glob("*.deb"))
    _, version, _ = package.name.split("_")
    folder = cache() / f"libfaketime-{version}"
    run("dpkg", "-x", package, folder)
    shutil.rmtree(draft)
    found = _library(folder)
    if found is None:
        raise HarnessError(f"{package.name} has no {_LIBRARY}: install libfaketime")
    return found


def _library(root: Path) -> Path | None:
    return next(iter(sorted(root.glob(_LIBRARY))), None)


def _go() -> str:
    program = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if program is None:
        raise HarnessError("Toxiproxy is built from its Go module: install Go 1.17 or newer")
    return program
