"""Starting processes that outlive this one, and waiting for them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.commands import ToolError

_STARTED: list[subprocess.Popen[bytes]] = []
"""Processes are told by their notes; Python warns of a child that nobody holds any more."""

LONGEST_STOP = 60.0
POLL = 0.1


def say(text: str) -> None:
    """Tell the person who waits what is going on."""
    sys.stderr.write(f"cluster: {text}\n")


def wait_for(
    what: str, ready: Callable[[], bool], seconds: float, why: Callable[[], str] = lambda: ""
) -> None:
    """Return once ``ready`` says so; raise `ToolError` with ``why`` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise ToolError(f"{what} within {seconds:.0f} s did not come true. {why()}".rstrip())
        time.sleep(POLL)


@dataclass(frozen=True, slots=True)
class Running:
    """A process by number and birth: a number alone may be another's by now."""

    pid: int
    born: str

    @classmethod
    def of(cls, pid: int) -> "Running":
        """The process that has this number now."""
        return cls(pid, _birth(pid) or "")

    @property
    def alive(self) -> bool:
        """Whether it is this very process that still runs."""
        return bool(self.born) and _birth(self.pid) == self.born

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end, wait, and end it for good if it does not."""
        if not self.alive:
            return
        os.kill(self.pid, number)
        deadline = time.monotonic() + LONGEST_STOP
        while self.alive:
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                deadline += LONGEST_STOP
            time.sleep(POLL)


def _birth(pid: int) -> str | None:
    """When a process was started, in ticks since boot (proc(5), field 22); None once it ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else fields[19]


@dataclass(frozen=True, slots=True)
class Processes:
    """The processes of a cluster: each by a name, with a log and a note of its number."""

    notes: Path
    logs: Path

    def start(
        self, name: str, command: Sequence[str | Path], env: Mapping[str, str] | None = None
    ) -> Running:
        """Start ``command`` in a session of its own; it goes on when this process ends."""
        self.notes.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )
        _STARTED.append(process)
        running = Running.of(process.pid)
        note = {"pid": running.pid, "born": running.born}
        (self.notes / name).write_text(json.dumps(note))
        return running

    def get(self, name: str) -> Running | None:
        """The process that was started under ``name``, alive or not."""
        note = self.notes / name
        return Running(**json.loads(note.read_text())) if note.exists() else None

    def alive(self, name: str) -> bool:
        """Whether the process of that name runs."""
        running = self.get(name)
        return running is not None and running.alive

    def end(self, name: str) -> None:
        """End the process of that name, if it runs, and forget it."""
        running = self.get(name)
        if running is not None:
            running.end()
            (self.notes / name).unlink()

    def tail(self, name: str, lines: int = 15) -> str:
        """The end of a process's log."""
        log = self.logs / f"{name}.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
