"""The sink as a child process."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from fogbell_local.servers.ports import kept_ports
from fogbell_local.servers.process import GuardedProcess
from fogbell_local.sink import ledger
from fogbell_local.sink.ledger import Entry

START_SECONDS = 20.0
STOP_SECONDS = 5.0
HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the sink answers: ``refuse_fraction`` of the mails once, each ``delay`` seconds late."""

    refuse_fraction: float = 0.0
    refuse_code: int = 451
    delay: float = 0.0


class SinkServer:
    """A running sink. It keeps ports, ledger and memory over `kill` and `restart`.

    Methods block for some tens of milliseconds. It ends with the process that started it.
    """

    smtp_host = HOST

    def __init__(self, directory: Path, behaviour: Behaviour) -> None:
        self.smtp_port, self.webhook_port = kept_ports(directory, 2)
        self.ledger_path = directory / "ledger.jsonl"
        self._directory = directory
        self._behaviour = behaviour
        self._process = self._begin()

    @classmethod
    def start(cls, directory: Path, behaviour: Behaviour | None = None) -> Self:
        """Start one whose ledger and log lie in ``directory``. Raises ServerError."""
        return cls(directory, behaviour or Behaviour())

    @property
    def webhook_url(self) -> str:
        """Where webhooks go; any path may follow, see `fogbell_local.sink.webhook`."""
        return f"http://{HOST}:{self.webhook_port}"

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def entries(self) -> list[Entry]:
        """The ledger so far."""
        return ledger.read(self.ledger_path)

    def stop(self) -> None:
        """End it; nothing if it has ended."""
        self._process.terminate(STOP_SECONDS)

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()

    def restart(self, behaviour: Behaviour | None = None) -> None:
        """Start again on the same ports and ledger, perhaps with another behaviour."""
        self.stop()
        self._behaviour = behaviour or self._behaviour
        self._process = self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.stop()

    def _begin(self) -> GuardedProcess:
        ports = self._directory / "ready.json"
        ports.unlink(missing_ok=True)
        behaviour = self._behaviour
        process = GuardedProcess(
            [
                sys.executable, "-m", "fogbell_local.sink", f"--log={self.ledger_path}",
                f"--port={self.smtp_port}", f"--webhook-port={self.webhook_port}",
                f"--refuse-fraction={behaviour.refuse_fraction}",
                f"--refuse-code={behaviour.refuse_code}", f"--delay={behaviour.delay}",
                f"--port-file={ports}",
            ],
            self._directory / "sink.log",
        )  # fmt: skip
        process.wait_until(ports.exists, START_SECONDS, "the sink")
        assert json.loads(ports.read_text())["smtp"] == self.smtp_port
        return process
