"""``smtp-sink`` and ``smtp-source`` of Postfix: a relay that takes all, and the fastest sender.

Where they are not installed, Debian's packages are unpacked into a cache: installing Postfix would
start a mail server. Sources: smtp-sink(1), smtp-source(1).
"""

import asyncio
import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from bench.plot import Plot
from bench.proof import ProofError, listens, until
from fogbell_local.processes import Program
from fogbell_local.servers import laid_out
from fogbell_local.servers.ports import free_ports

PROGRAMS = ("smtp-sink", "smtp-source")
PACKAGES = ("postfix", "libicu72", "libdb5.3", "libnsl2", "libtirpc3")
"""Postfix, and those libraries of its that a small Debian 12 may lack."""

MAIL_BYTES = 2048
SESSIONS = 20
_BACKLOG = "1000"


@dataclass(frozen=True, slots=True)
class Sink:
    """One smtp-sink. It counts what it takes, and keeps nothing."""

    program: Program
    port: int

    @property
    def url(self) -> str:
        """As a worker is told."""
        return f"smtp://127.0.0.1:{self.port}"

    @property
    def mails(self) -> int:
        """How many it has taken."""
        found = re.findall(rb"mesg=(\d+)", _end(self.program.log))
        return int(found[-1]) if found else 0

    async def took(self, expected: int) -> None:
        """Raises ProofError unless it has taken so many mails.

        Every record has been checked to hold one acceptance: so each mail came once.
        """
        if self.mails != expected:
            raise ProofError(f"expected {expected} mails at the sink, not {self.mails}")


async def start_sink(plot: Plot) -> Sink:
    """Start one, which ends with the sample."""
    port = free_ports(1)[0]
    # As root it wants to be told whom to become.
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    command = [str(_program("smtp-sink")), "-c", *user, f"127.0.0.1:{port}", _BACKLOG]
    program = await plot.start("smtp-sink", command, _environment())
    await until(lambda: listens(port), [program])
    return Sink(program, port)


async def source(plot: Plot, sink: Sink, mails: int) -> float:
    """The seconds in which smtp-source sends so many mails of two kilobytes."""
    told = ["-d", "-s", str(SESSIONS), "-m", str(mails), "-l", str(MAIL_BYTES)]
    who = ["-f", "bell@fogbell.example", "-t", "r00000000@example.org"]
    command = [str(_program("smtp-source")), *told, *who, f"127.0.0.1:{sink.port}"]
    began = time.monotonic()
    program = await plot.start("smtp-source", command, _environment())
    await plot.output("smtp-source", program, within=120)
    return time.monotonic() - began


def _end(path: Path) -> bytes:
    """The last of what the counters have said."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 200))
        return file.read()


def _program(name: str) -> Path:
    root = _root()
    return Path(_installed(name) or "") if root is None else root / "usr" / "sbin" / name


def _environment() -> dict[str, str]:
    """Where the libraries are that came along; behind them come the system's."""
    root = _root()
    if root is None:
        return {}
    libraries = root / "usr" / "lib"
    folders = [libraries / "postfix", *sorted(libraries.glob("*-linux-gnu*"))]
    return {"LD_LIBRARY_PATH": os.pathsep.join(map(str, folders))}


async def provide() -> None:
    """Make sure that both are here. Raises ServerError where they cannot be had."""
    await asyncio.to_thread(_root)


def _root() -> Path | None:
    """Below what the packages lie that were laid out; None where the system has both programs."""
    if all(_installed(name) for name in PROGRAMS):
        return None
    return laid_out(*PACKAGES)


def _installed(name: str) -> str | None:
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
    return shutil.which(name, path=path)
