"""What MongoDB and RabbitMQ have in common here: found or started, stopped, killed, restarted."""

from types import TracebackType
from typing import ClassVar, Protocol, Self

from fogbell_local.servers.process import GuardedProcess, ServerError

STOP_SECONDS = 30.0


class Launch(Protocol):
    """How one private server is started, the same way each time."""

    def start(self) -> GuardedProcess:
        """Start and wait until it can be used. Raises ServerError."""

    def after_end(self) -> None:
        """Clean up after a server that has ended."""

    def discard_data(self) -> None:
        """Delete its data; only while it does not run."""


class Server:
    """A server that this process started, or somebody else's at an address (no ``launch``).

    All methods block; an asyncio program calls them through ``asyncio.to_thread``. A started
    server ends with the process that started it.
    """

    name: ClassVar[str]

    def __init__(self, uri: str, launch: Launch | None) -> None:
        self.uri = uri
        self._launch = launch
        self._process: GuardedProcess | None = None

    @property
    def pid(self) -> int:
        """The running server's process id (with Docker: its client's). Raises ServerError."""
        return self._running().pid

    def stop(self) -> None:
        """Shut down cleanly; nothing for a server that is stopped or not ours."""
        if self._process is not None:
            self._process.terminate(STOP_SECONDS)
            self._end()

    def kill(self) -> None:
        """SIGKILL, as in a power cut. Raises ServerError where it does not run."""
        self._running().kill()
        self._end()

    def freeze(self) -> None:
        """SIGSTOP: connections stay open, and nothing answers. Raises ServerError as `kill`."""
        self._running().freeze()

    def thaw(self) -> None:
        """SIGCONT, after `freeze`. Raises ServerError as `kill`."""
        self._running().thaw()

    def restart(self) -> None:
        """Start again on the same ports and data, after a clean stop if it still runs."""
        self.stop()
        self._begin()

    def discard(self) -> None:
        """End it at once and delete its data; nothing for a server that is not ours."""
        if self._process is not None:
            self.kill()
        if self._launch is not None:
            self._launch.discard_data()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.stop()

    def _running(self) -> GuardedProcess:
        if self._process is None:
            raise ServerError(f"{self.name} at {self.uri} is not running, or not ours")
        return self._process

    def _begin(self) -> None:
        if self._launch is None:
            raise ServerError(f"{self.name} at {self.uri} was found, not started: it is left alone")
        self._process = self._launch.start()

    def _end(self) -> None:
        self._process = None
        if self._launch is not None:
            self._launch.after_end()
