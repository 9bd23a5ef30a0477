"""The sink as a child process."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from fogbell_local.servers.ports import kept_ports
from fogbell_local.servers.process import GuardedProcess
from fogbell_local.sink import ledger, service_account
from fogbell_local.sink.ledger import Entry
from fogbell_local.sink.refusal import Outage

START_SECONDS = 20.0
STOP_SECONDS = 5.0
HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the sink answers: ``refuse_fraction`` of the mails once, ``webhook_fraction`` of the
    webhooks once with 503, a provider not during its ``outage``, each ``delay`` seconds late.

    Of all messages, ``cut_fraction`` are taken and the connection closed without a reply, and
    ``silent_fraction`` are neither taken nor answered.
    """

    refuse_fraction: float = 0.0
    refuse_code: int = 451
    delay: float = 0.0
    outage: Outage | None = None
    webhook_fraction: float = 0.0
    cut_fraction: float = 0.0
    silent_fraction: float = 0.0

    def arguments(self) -> list[str]:
        """What the process is told."""
        own = [
            f"--refuse-fraction={self.refuse_fraction}",
            f"--refuse-code={self.refuse_code}",
            f"--delay={self.delay}",
            f"--webhook-fraction={self.webhook_fraction}",
            f"--cut-fraction={self.cut_fraction}",
            f"--silent-fraction={self.silent_fraction}",
        ]
        return own if self.outage is None else [*own, f"--outage={self.outage}"]


class SinkServer:
    """A running sink. It keeps ports, ledger and memory over `kill` and `restart`.

    Methods block for some tens of milliseconds. It ends with the process that started it.
    """

    def __init__(self, directory: Path, behaviour: Behaviour, host: str = HOST) -> None:
        self.host = host
        self.smtp_port, self.webhook_port, self.providers_port = kept_ports(directory, 3)
        self.ledger_path = directory / "ledger.jsonl"
        self._directory = directory
        self._account = directory / "service-account.json"
        self._behaviour = behaviour
        self._process = self._begin()

    @classmethod
    def start(cls, directory: Path, behaviour: Behaviour | None = None, host: str = HOST) -> Self:
        """Start one that listens on ``host``; its ledger and log lie in ``directory``.

        Raises ServerError.
        """
        return cls(directory, behaviour or Behaviour(), host)

    @property
    def webhook_url(self) -> str:
        """Where webhooks go; any path may follow, see `fogbell_local.sink.webhook`."""
        return f"http://{self.host}:{self.webhook_port}"

    def provider_url(self, name: str) -> str:
        """Where SMS gateway or FCM ``name`` is, see `fogbell_local.sink.providers`."""
        return f"http://{self.host}:{self.providers_port}/{name}"

    def service_account(self, provider: str) -> Path:
        """The key file of who may send pushes through ``provider``; made when first asked for."""
        if not self._account.exists():
            service_account.write(self._account, f"{self.provider_url(provider)}/token")
        return self._account

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
        process = GuardedProcess(
            [
                sys.executable, "-m", "fogbell_local.sink", f"--log={self.ledger_path}",
                f"--host={self.host}",
                f"--port={self.smtp_port}", f"--webhook-port={self.webhook_port}",
                f"--providers-port={self.providers_port}", f"--service-account={self._account}",
                f"--port-file={ports}", *self._behaviour.arguments(),
            ],
            self._directory / "sink.log",
        )  # fmt: skip
        process.wait_until(ports.exists, START_SECONDS, "the sink")
        assert json.loads(ports.read_text())["smtp"] == self.smtp_port
        return process
