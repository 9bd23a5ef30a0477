"""Fogbell's components as processes: started, watched, and ended with the one that started them.

Nothing is started again by itself but retry, which is a job: its window is a minute, and a
CronJob would start it every minute.
"""

import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx2

from fogbell_local.servers.process import GuardedProcess

START_SECONDS = 60.0
STOP_SECONDS = 12.0
PROBE_SECONDS = 2.0

WINDOW_LEAD = 30
"""Retry's window ends at second 55: what starts later than half a minute belongs to the next one,
so that every window is long enough to be worth its start."""


class Program(GuardedProcess):
    """A guarded process that tells how it has ended."""

    @property
    def exit_status(self) -> int | None:
        """None while it runs; 128 and the number where a signal has ended it."""
        return self._guard.poll()


@dataclass(slots=True)
class Component:
    """One process of a component. ``label`` tells two workers apart; ``port`` is its metrics'."""

    name: str
    label: str
    program: Program
    port: int

    @property
    def metrics(self) -> str:
        """What Prometheus would scrape."""
        return f"http://127.0.0.1:{self.port}/metrics"

    def is_ready(self) -> bool:
        """Whether it says that it can work."""
        return answers(f"http://127.0.0.1:{self.port}/readyz")

    def wait_ready(self) -> None:
        """Wait for that. Raises ServerError with the end of its log where it does not come."""
        self.program.wait_until(self.is_ready, START_SECONDS, f"fogbell-{self.label}")

    def obituary(self) -> str:
        """How it has ended, and the last it wrote."""
        status = self.program.exit_status
        how = (
            f"exit status {status}" if status is None or status < 128 else f"signal {status - 128}"
        )
        return (
            f"{self.label} (pid {self.program.pid}) has ended with {how}."
            f" The end of {self.program.log}:\n{self.program.tail()}"
        )


def start(
    name: str,
    label: str,
    environment: Mapping[str, str],
    port: int,
    logs: Path,
    arguments: Sequence[str] = (),
    how: Sequence[str] = ("-m",),
) -> Component:
    """Start ``python -m fogbell_<name>``, and do not wait for it. Raises ServerError.

    ``how`` are the interpreter's arguments before the module's name.
    """
    logs.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, *how, f"fogbell_{name}", *arguments]
    program = Program(command, logs / f"{label}.log", env=environment)
    return Component(name, label, program, port)


def stop(components: Iterable[Component]) -> None:
    """SIGTERM for all at the same time, SIGKILL for those that take too long."""
    programs = [component.program for component in components]
    with ThreadPoolExecutor(max(1, len(programs))) as pool:
        list(pool.map(lambda program: program.terminate(STOP_SECONDS), programs))


def answers(url: str) -> bool:
    """Whether ``url`` answers with 200."""
    try:
        # No proxy of the environment is meant for loopback.
        response = httpx2.get(url, timeout=PROBE_SECONDS, trust_env=False)
    except httpx2.TransportError:
        return False
    return response.status_code == httpx2.codes.OK


def job_name(now: float) -> str:
    """What a CronJob would call the Job for the window at ``now`` (seconds since the epoch)."""
    return f"fogbell-retry-{(int(now) + WINDOW_LEAD) // 60}"


class RetryJob:
    """Keeps retry running: a window is followed by the next; a failure is left as it is."""

    def __init__(self, start_window: Callable[[str], Component]) -> None:
        self._start = start_window
        self.component = start_window(job_name(time.time()))

    def wait_ready(self) -> None:
        """As `Component.wait_ready`; a window that is over already will do."""
        component = self.component
        component.program.wait_until(
            lambda: self.is_over or component.is_ready(), START_SECONDS, "fogbell-retry"
        )

    @property
    def is_over(self) -> bool:
        """Whether the window has ended as it should."""
        return self.component.program.exit_status == 0

    def tend(self) -> bool:
        """Start the next window if one has ended well; whether it did."""
        if not self.is_over:
            return False
        self.component.program.terminate(0)  # it has ended: this lets go of its guardian
        self.component = self._start(job_name(time.time()))
        return True
