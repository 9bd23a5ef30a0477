"""A guarded child process: it never outlives the process that started it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from fogbell_local.servers import guard

POLL_SECONDS = 0.02


class ServerError(RuntimeError):
    """A server could not be found, started or reached; the message says what to do."""


class GuardedProcess:
    """One program in a session of its own, watched by `fogbell_local.servers.guard`.

    Its output is appended to ``log``. ``after`` is a command for the guardian to run once the
    program has ended, however that came. Raises ServerError where it cannot be run at all.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        after: Sequence[str] = (),
    ) -> None:
        self.name = Path(command[0]).name
        self.log = log
        hooks = [f"--after={argument}" for argument in after]
        guardian = [sys.executable, "-I", "-S", guard.__file__, str(log), *hooks, "--", *command]
        self._guard = subprocess.Popen(
            guardian,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=None if env is None else dict(env),
            start_new_session=True,
        )
        assert self._guard.stdout is not None
        line = self._guard.stdout.readline()
        self._guard.stdout.close()
        if not line.strip().isdigit():
            self._release()
            raise ServerError(f"{self.name} could not be run: {' '.join(command)}")
        self.pid = int(line)

    @property
    def running(self) -> bool:
        """Whether the program has not ended yet."""
        return self._guard.poll() is None

    def terminate(self, timeout: float) -> None:
        """SIGTERM, then SIGKILL for the group after ``timeout`` seconds."""
        self._signal(signal.SIGTERM)
        try:
            self._guard.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
        self._release()

    def kill(self) -> None:
        """SIGKILL for the program and everything it started; returns when they are gone."""
        self._signal_group(signal.SIGKILL)
        self._release()

    def freeze(self) -> None:
        """SIGSTOP for the program and everything it started: it keeps what it has, in silence."""
        self._signal_group(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT: it goes on where it stood; nothing for what is not frozen, or has ended."""
        self._signal_group(signal.SIGCONT)

    def tail(self, lines: int = 20) -> str:
        """The last lines that the program wrote."""
        if not self.log.exists():
            return "(no log)"
        return (
            "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) or "(empty log)"
        )

    def wait_until(self, ready: Callable[[], bool], timeout: float, what: str) -> None:
        """Poll ``ready``; on failure kill the program and raise ServerError with its log's end."""
        deadline = time.monotonic() + timeout
        while not ready():
            if self.running and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)  # programs of others tell nobody that they are ready
                continue
            cause = "was not ready in time" if self.running else "ended while starting"
            self.kill()
            raise ServerError(f"{what} {cause}. The end of {self.log}:\n{self.tail()}")

    def _signal(self, number: signal.Signals) -> None:
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _signal_group(self, number: signal.Signals) -> None:
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def _release(self) -> None:
        """Let go of the lifeline and reap the guardian."""
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        self._guard.wait()
