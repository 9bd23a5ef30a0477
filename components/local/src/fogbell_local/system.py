"""MongoDB, RabbitMQ, the sink and every component on this machine, started and stopped as one."""

import contextlib
import os
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fogbell_local import environment, processes
from fogbell_local.cli_servers import start_both
from fogbell_local.environment import HOST, Change, Place, Secrets
from fogbell_local.interrupt import Stop
from fogbell_local.processes import Component, RetryJob
from fogbell_local.providers import FCM, GATEWAYS, LocalProviders, offered
from fogbell_local.ready import Ready
from fogbell_local.servers import MongoServer, RabbitServer, ServerError, install
from fogbell_local.servers.ports import free_ports
from fogbell_local.sink import SinkServer
from fogbell_local.sink.server import Behaviour

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """How to start.

    ``port`` is intake's, 0 for a free one; without ``smtp_url`` mail goes to the sink. ``keep``
    is whether data outlives the stop. ``changes`` are settings that differ from their defaults.
    """

    directory: Path
    keep: bool = False
    port: int = 0
    workers: int = 1
    smtp_url: str | None = None
    changes: tuple[Change, ...] = environment.LOCAL
    behaviour: Behaviour = field(default_factory=Behaviour)
    database: str = "fogbell"
    prefix: str = "fogbell."


class System:
    """Everything that `start` has started. All methods block."""

    def __init__(self, options: Options, say: Say, environ: Mapping[str, str] = os.environ) -> None:
        self._options = options
        self._say = say
        self._environ = environ
        self._stack = contextlib.ExitStack()
        self._ended: set[int] = set()
        self._workers_started = 0
        self.workers: list[Component] = []
        self.secrets = _kept_secrets(options.directory)
        self.logs = options.directory / "logs"

    def start(self, stop: Stop) -> None:
        """Start all of it and wait until it can work.

        Raises ServerError, OSError, and Interrupted where ``stop`` was asked for meanwhile; call
        `stop` then too.
        """
        self.port = chosen_port(self._options.port)
        install(self._say)
        stop.checkpoint()
        self._say("Starting MongoDB and RabbitMQ ...")
        self.mongo, self.rabbit = self._start_servers()
        stop.checkpoint()
        self.sink = SinkServer.start(self._options.directory / "sink", self._options.behaviour)
        self._stack.callback(self.sink.stop)
        self.place = self._place()
        stop.checkpoint()
        self._say("Starting intake, workers and retry ...")
        self._start_components()
        parts: list[Component | RetryJob] = [self.intake, *self.workers, self.retry]
        for part in parts:
            stop.checkpoint()
            part.wait_ready()

    def stop(self) -> None:
        """Stop what was started: the components first, together, then what they use."""
        self._stack.close()

    def components(self) -> list[Component]:
        """Every component's process that was started and not replaced."""
        return [self.intake, *self.workers, self.retry.component]

    def add_worker(self) -> Component:
        """Start one more worker, and do not wait for it."""
        self._workers_started += 1
        number = self._workers_started
        label = "worker" if number == 1 else f"worker-{number}"
        port = free_ports(1)[0]
        settings = self._common("worker") | environment.worker(self._environ, self.place, port)
        component = processes.start("worker", label, settings, port, self.logs)
        self.workers.append(component)
        return component

    def kill_worker(self, worker: Component) -> None:
        """SIGKILL for one worker, which is not spoken of as one that has ended by itself."""
        worker.program.kill()
        self.workers.remove(worker)

    def tend(self) -> bool:
        """Start retry's next window if its time has come; whether pids have changed."""
        return self.retry.tend()

    def news(self) -> Iterator[str]:
        """What has ended since the last call without being asked to, each told once."""
        for component in self._watched():
            pid = component.program.pid
            if component.program.exit_status is not None and pid not in self._ended:
                self._ended.add(pid)
                yield component.obituary()
        for name, pid, log in self._server_pids():
            if pid not in self._ended and not _alive(pid):
                self._ended.add(pid)
                yield f"{name} (pid {pid}) has ended. Its log is {log}"

    def _watched(self) -> list[Component]:
        """A window of retry that has ended well is no news: `tend` starts the next."""
        retry = [] if self.retry.is_over else [self.retry.component]
        return [self.intake, *self.workers, *retry]

    def ready(self) -> Ready:
        """What scripts are told."""
        pids: dict[str, list[int]] = {name: [pid] for name, pid, _ in self._server_pids()}
        for component in self.components():
            pids.setdefault(component.name, []).append(component.program.pid)
        sink = self.sink
        mail = None if self._options.smtp_url else f"{sink.host}:{sink.smtp_port}"
        return {
            "intake": f"http://{HOST}:{self.port}",
            "api_key": self.secrets.api_key,
            "mongodb": self.mongo.uri,
            "rabbitmq": self.rabbit.uri,
            "sink": {
                "smtp": mail,
                "webhook": sink.webhook_url,
                "sms": [sink.provider_url(name) for name in GATEWAYS],
                "fcm": sink.provider_url(FCM),
                "log": str(sink.ledger_path),
            },
            "metrics": {component.label: component.metrics for component in self.components()},
            "pids": pids,
        }

    def _start_servers(self) -> tuple[MongoServer, RabbitServer]:
        servers = start_both(self._options.directory)
        for server in servers:
            self._stack.callback(server.stop if self._options.keep else server.discard)
        return servers

    def _start_components(self) -> None:
        # Ended before the servers, and all at the same time: the stack's newest goes first.
        self._stack.callback(lambda: processes.stop(self._started()))
        intake_port, retry_port = free_ports(2)
        settings = (
            self._common("intake")
            | environment.intake(self.secrets, self.port, intake_port)
            | offered(self._environ)
        )
        self.intake = processes.start("intake", "intake", settings, intake_port, self.logs)
        for _ in range(self._options.workers):
            self.add_worker()
        self.retry = RetryJob(lambda job_name: self._start_retry(job_name, retry_port))

    def _started(self) -> list[Component]:
        parts = [getattr(self, "intake", None), *self.workers]
        retry = getattr(self, "retry", None)
        return [part for part in (*parts, retry and retry.component) if part is not None]

    def _start_retry(self, job_name: str, port: int) -> Component:
        settings = self._common("retry") | environment.retry(job_name, port)
        return processes.start("retry", "retry", settings, port, self.logs)

    def _common(self, component: str) -> dict[str, str]:
        told = environment.understood(component, self._environ, self._options.changes)
        return environment.common(told, self.place)

    def _place(self) -> Place:
        sink = self.sink
        return Place(
            mongodb=self.mongo.uri,
            rabbitmq=self.rabbit.uri,
            smtp_url=self._options.smtp_url or f"smtp://{sink.host}:{sink.smtp_port}",
            webhook_port=sink.webhook_port,
            database=self._options.database,
            prefix=self._options.prefix,
            providers=LocalProviders(
                sms={name: sink.provider_url(name) for name in GATEWAYS},
                fcm=sink.provider_url(FCM),
                service_account=sink.service_account(FCM),
            ),
        )

    def _server_pids(self) -> Iterator[tuple[str, int, Path]]:
        """Name, pid and log of what is no component; a server that was found has none."""
        directory = self._options.directory
        yield "sink", self.sink.pid, directory / "sink" / "sink.log"
        for name, server in (("mongodb", self.mongo), ("rabbitmq", self.rabbit)):
            with contextlib.suppress(ServerError):
                log = "mongod.log" if name == "mongodb" else "rabbitmq.log"
                yield name, server.pid, directory / name / log


def chosen_port(port: int) -> int:
    """``port`` itself if it is free, a free one for 0. Raises ServerError."""
    if port == 0:
        return free_ports(1)[0]
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ServerError(
                f"port {port} of {HOST} cannot be used ({error.strerror}):"
                " give another --port, or --port 0 for any free one"
            ) from error
    return port


def _kept_secrets(directory: Path) -> Secrets:
    """The same ones for the same directory: keys that scripts hold outlive a restart."""
    return Secrets(
        api_key=_kept(directory / "api-key", "fbk_" + secrets.token_urlsafe(32)),
        inbox_token=_kept(directory / "inbox-token-secret", secrets.token_urlsafe(48)),
    )


def _kept(file: Path, fresh: str) -> str:
    if file.exists():
        return file.read_text().strip()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(fresh + "\n")
    return fresh


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
