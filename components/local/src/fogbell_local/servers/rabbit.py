"""A private RabbitMQ node on loopback, apart from any that the system runs."""

import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from fogbell_local.servers import docker, programs, slim
from fogbell_local.servers.ports import kept_ports
from fogbell_local.servers.process import GuardedProcess, ServerError
from fogbell_local.servers.server import Server

ADDRESS_VARIABLE = "FOGBELL_RABBITMQ_URI"
START_SECONDS = 120.0
CONTROL_SECONDS = 60.0

_DEFAULT_PORT = 5672
_NODE = "fogbell@localhost"
_SCRIPTS = "RABBITMQ_SCRIPTS_DIR"
_PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
_METHOD_FRAME = b"\x01"


class RabbitServer(Server):
    """A RabbitMQ node that this process started, or (``find``) somebody else's at an address."""

    name = "RabbitMQ"

    @classmethod
    def find(cls, directory: Path) -> Self:
        """The node at ``FOGBELL_RABBITMQ_URI``, else a private one as by `start`."""
        address = os.environ.get(ADDRESS_VARIABLE)
        return cls(address, None) if address else cls.start(directory)

    @classmethod
    def start(
        cls,
        directory: Path,
        *,
        plugins: Sequence[str] = (),
        schedulers: int = 1,
        contained: bool = True,
    ) -> Self:
        """Start a private node and wait until it speaks AMQP.

        ``directory`` takes data, log and cookie; ``plugins`` such as ``rabbitmq_management`` make
        it start slower; ``schedulers`` is how many cores it may use; ``contained`` is whether it
        may be a container: signals do not reach one.
        Raises ServerError, with the end of the log where there is one.
        """
        launch = _Launch(directory, tuple(plugins), schedulers, contained=contained)
        server = cls(launch.uri, launch)
        server._begin()
        return server

    @property
    def port(self) -> int:
        """Where it listens."""
        return urlsplit(self.uri).port or _DEFAULT_PORT

    def control(self, *arguments: str) -> None:
        """Run ``rabbitmqctl`` on the node. Takes seconds. Raises ServerError with what it said."""
        assert isinstance(self._launch, _Launch), "expected a node of ours"
        self._launch.control(arguments)

    def wipe(self) -> None:
        """Lose everything: kill, delete queues, messages and users, start on the same ports."""
        self.discard()
        self._begin()


class _Launch:
    """How one private node is started, the same way each time."""

    def __init__(
        self, directory: Path, plugins: Sequence[str], schedulers: int, *, contained: bool
    ) -> None:
        self._directory = directory
        self._port, self._distribution_port, self._mapper_port = kept_ports(directory, 3)
        self._plugins = plugins
        self._schedulers = schedulers
        self._mapper: GuardedProcess | None = None
        self._container: docker.Container | None = None
        if contained and docker.has_image(docker.RABBITMQ_IMAGE):
            env = {"RABBITMQ_NODE_PORT": str(self._port)}
            self._container = docker.Container(
                docker.RABBITMQ_IMAGE, self._port, directory, "/var/lib/rabbitmq", env
            )

    @property
    def uri(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self._port}/"

    def start(self) -> GuardedProcess:
        process = self._run()
        try:
            process.wait_until(lambda: _speaks_amqp(self._port), START_SECONDS, "RabbitMQ")
        except ServerError:
            self.after_end()
            raise
        return process

    def control(self, arguments: Sequence[str]) -> None:
        """See `RabbitServer.control`."""
        server = programs.rabbitmq_server()
        if server is None or self._container is not None:
            raise ServerError("expected a RabbitMQ that runs as a process of this machine")
        program = server.resolve().with_name("rabbitmqctl")
        # The whole installation: a slim one has no command line.
        own = {k: v for k, v in self._environment(server).items() if k != _SCRIPTS}
        try:
            run = subprocess.run(
                [program, "--node", _NODE, *arguments],
                env=own, capture_output=True, text=True, check=False, timeout=CONTROL_SECONDS,
            )  # fmt: skip
        except subprocess.TimeoutExpired as late:
            words = f"no answer within {CONTROL_SECONDS:g} s"
            raise ServerError(f"rabbitmqctl {' '.join(arguments)}: {words}") from late
        if run.returncode != 0:
            raise ServerError(f"rabbitmqctl {' '.join(arguments)}: {run.stdout}{run.stderr}")

    def after_end(self) -> None:
        """End what the node leaves behind."""
        if self._mapper is not None:
            self._mapper.kill()
            self._mapper = None

    def discard_data(self) -> None:
        if self._container is not None:
            self._container.discard_data()
        shutil.rmtree(self._directory / "data", ignore_errors=True)

    def _run(self) -> GuardedProcess:
        log = self._directory / "rabbitmq.log"
        if self._container is not None:
            return GuardedProcess(self._container.run(), log, after=self._container.remove())
        server, epmd = programs.rabbitmq_server(), programs.epmd()
        if server is None or epmd is None:
            raise ServerError("no RabbitMQ here: run 'fogbell servers install', or set "
                              f"{ADDRESS_VARIABLE}")  # fmt: skip
        self._write_configuration()
        # A mapper of its own: the shared one is a daemon that would outlive us, and its names
        # are unique to a machine.
        self._mapper = GuardedProcess(
            [str(epmd), "-port", str(self._mapper_port), "-address", "127.0.0.1"],
            self._directory / "epmd.log",
        )
        return GuardedProcess([str(server)], log, env=self._environment(server))

    def _write_configuration(self) -> None:
        plugins = ",".join(self._plugins)
        (self._directory / "enabled_plugins").write_text(f"[{plugins}].\n")
        # Erlang terms and not rabbitmq.conf: translating that one costs a second of each start.
        (self._directory / "advanced.config").write_text(
            "[{rabbit, [{disk_free_limit, 50000000}, {collect_statistics, none}]},\n"
            # quorum queues' log is filled in memory up to this size; the default is 512 MiB
            " {ra, [{wal_max_size_bytes, 67108864}]}].\n"
        )

    def _environment(self, server: Path) -> dict[str, str]:
        directory = self._directory
        scripts = slim.scripts_directory(server, self._plugins, directory / "slim")
        return ({} if scripts is None else {_SCRIPTS: str(scripts)}) | {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),  # the cookie
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._mapper_port),
            "RABBITMQ_NODENAME": _NODE,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_MNESIA_BASE": str(directory / "data"),
            "RABBITMQ_LOG_BASE": str(directory / "logs"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "enabled_plugins"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(directory / "advanced.config"),
            "RABBITMQ_CONFIG_FILE": str(directory / "no.conf"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            # The script then becomes the server instead of waiting beside it.
            "RABBITMQ_ALLOW_INPUT": "1",
            "RABBITMQ_SERVER_START_ARGS": "-noinput",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"+S {self._schedulers}:{self._schedulers}"
            " +sbwt none -kernel inet_dist_use_interface {127,0,0,1}",
        }


def _speaks_amqp(port: int) -> bool:
    """Whether the node answers the protocol header with Connection.Start."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(_PROTOCOL_HEADER)
            return connection.recv(1) == _METHOD_FRAME
    except OSError:
        return False
