"""Real servers for tests: shared ones, private ones, and a sink for what is sent."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest
import structlog
from hypothesis import HealthCheck, settings
from tests.support.locked import LockedMongo, locked_mongo
from tests.support.measuring import Stopwatch, measured
from tests.support.shared import Ask, SharedServers, ask

from fogbell.telemetry.logs import places
from fogbell_local.servers import MongoServer, RabbitServer
from fogbell_local.sink import SinkServer

# As in production, an exception is named with its place: structlog's own default draws every
# local variable of every frame, which takes seconds and shows what no log may show.
structlog.configure(
    processors=[structlog.processors.add_log_level, places, structlog.processors.JSONRenderer()]
)

# A machine that stalls for a moment makes no example wrong.
settings.register_profile("fogbell", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fogbell")

ASK = pytest.StashKey[Ask]()
SHARED = pytest.StashKey[SharedServers]()
SOCKET = "fogbell_servers"

Client = pymongo.MongoClient[dict[str, Any]]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--record-panels",
        type=Path,
        metavar="FOLDER",
        help="keep there what Prometheus answers to the dashboards' panels, to be drawn",
    )


def pytest_configure(config: pytest.Config) -> None:
    worker_input: dict[str, str] | None = getattr(config, "workerinput", None)
    if worker_input is not None:
        socket = worker_input[SOCKET]
        config.stash[ASK] = lambda name: ask(socket, name)
        return
    shared = SharedServers()
    config.stash[SHARED] = shared
    config.stash[ASK] = shared.uri


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """pytest-xdist: tell a worker where to ask."""
    node.workerinput[SOCKET] = node.config.stash[SHARED].listen()


def pytest_unconfigure(config: pytest.Config) -> None:
    shared = config.stash.get(SHARED, None)
    if shared is not None:
        shared.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = list(measured(terminalreporter.getreports("passed")))
    if lines:
        terminalreporter.section("measured")
        terminalreporter.write_line("\n".join(lines))


@pytest.fixture
def panels_folder(request: pytest.FixtureRequest) -> Path | None:
    """Where answers to the dashboards' panels are kept, if anywhere."""
    folder: Path | None = request.config.getoption("--record-panels")
    return folder


@pytest.fixture
def stopwatch(record_property: Callable[[str, object], None]) -> Stopwatch:
    """Measures how long something takes to recover."""
    return Stopwatch(record_property)


@pytest.fixture(scope="session")
def mongo_uri(request: pytest.FixtureRequest) -> str:
    """MongoDB, a one-node replica set that all tests share; take a database of your own."""
    return request.config.stash[ASK]("mongodb")


@pytest.fixture(scope="session")
def rabbit_uri(request: pytest.FixtureRequest) -> str:
    """RabbitMQ, which all tests share; take names of your own."""
    return request.config.stash[ASK]("rabbitmq")


@pytest.fixture(scope="session")
def _mongo_client(mongo_uri: str) -> Iterator[Client]:
    with Client(mongo_uri) as client:
        yield client


@pytest.fixture
def database_name(_mongo_client: Client) -> Iterator[str]:
    """A database that only this test uses, dropped after it."""
    name = f"t{uuid.uuid4().hex[:12]}"
    yield name
    _mongo_client.drop_database(name)


@pytest.fixture
def topology_prefix() -> str:
    """What the names of this test's exchanges and queues start with: ``t3f9c2a1.``."""
    return f"t{uuid.uuid4().hex[:8]}."


@pytest.fixture
def own_mongo(tmp_path: Path) -> Iterator[MongoServer]:
    """A private MongoDB, for tests that kill it. Starts in about a second."""
    server = MongoServer.start(tmp_path / "mongodb")
    yield server
    server.discard()


@pytest.fixture(scope="session")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LockedMongo]:
    """A MongoDB with access control, shared by a process's tests; take users of your own."""
    with locked_mongo(tmp_path_factory.mktemp("locked")) as found:
        yield found


@pytest.fixture
def own_rabbit(tmp_path: Path) -> Iterator[RabbitServer]:
    """A private RabbitMQ, for tests that kill or wipe it. Takes seconds to start."""
    server = RabbitServer.start(tmp_path / "rabbitmq")
    yield server
    server.discard()


@pytest.fixture
def mail_sink(tmp_path: Path) -> Iterator[SinkServer]:
    """A process that takes mails and webhooks; ``restart`` gives it another behaviour."""
    with SinkServer.start(tmp_path / "sink") as sink:
        yield sink
