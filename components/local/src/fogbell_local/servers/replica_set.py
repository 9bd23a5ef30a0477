"""A private MongoDB of several nodes, which elect a primary: what one of them does, others survive.

Each member may be reached through something that stands before it, such as a proxy that breaks the
network: then that is the address by which the set knows it, and drivers and the other members take
it, too.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pymongo
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from fogbell_local.servers.mongo import REPLICA_SET, MongoServer
from fogbell_local.servers.process import POLL_SECONDS, ServerError

PRIMARY_SECONDS = 60.0
_ANSWER_MS = 1000

Client = pymongo.MongoClient[dict[str, Any]]
Before = Callable[[int], int]
"""The port that is told of for a member that listens on the given one."""


@dataclass(frozen=True, slots=True)
class Member:
    """One node; ``port`` is the one by which the set knows it."""

    server: MongoServer
    port: int

    @property
    def address(self) -> str:
        """As the set's configuration has it."""
        return f"127.0.0.1:{self.port}"


class ReplicaSet:
    """The members of one set. ``uri`` names all of them and no database. All methods block."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = tuple(members)
        hosts = ",".join(member.address for member in members)
        self.uri = f"mongodb://{hosts}/?replicaSet={REPLICA_SET}"

    @classmethod
    def start(
        cls,
        directory: Path,
        members: int = 3,
        *,
        before: Before = lambda port: port,
        settings: Mapping[str, int] | None = None,
    ) -> Self:
        """Start ``members``, initiate the set with ``settings``, and wait for a primary.

        ``settings`` are those of the set's configuration, such as ``electionTimeoutMillis``.
        Raises ServerError, and leaves none running then.
        """
        with contextlib.ExitStack() as stack:
            servers = _together(directory, members)
            for server in servers:
                stack.callback(server.discard)
            own = cls([Member(server, before(_port(server))) for server in servers])
            own._initiate(settings or {})
            own.wait_primary()
            stack.pop_all()
        return own

    def primary(self) -> Member | None:
        """The member that takes writes at present."""
        return next((member for member in self.members if _is_primary(member)), None)

    def wait_primary(self) -> Member:
        """The primary, once there is one. Raises ServerError."""
        deadline = time.monotonic() + PRIMARY_SECONDS
        while (found := self.primary()) is None:
            if time.monotonic() > deadline:
                raise ServerError(f"no primary among {self.uri} within {PRIMARY_SECONDS:g} s")
            time.sleep(POLL_SECONDS)  # an election tells nobody of its end
        return found

    def step_down(self, seconds: int) -> None:
        """Have the primary give way, and not be elected again for ``seconds``."""
        command = {"replSetStepDown": seconds, "secondaryCatchUpPeriodSecs": 2, "force": True}
        with _client(self.wait_primary()) as client:
            client.admin.command(command)

    def discard(self) -> None:
        """End all of them and delete their data."""
        for member in self.members:
            member.server.discard()

    def _initiate(self, settings: Mapping[str, int]) -> None:
        members = [{"_id": n, "host": m.address} for n, m in enumerate(self.members)]
        document = {"_id": REPLICA_SET, "members": members, "settings": dict(settings)}
        with _client(self.members[0], answer_ms=int(PRIMARY_SECONDS * 1000)) as client:
            client.admin.command("replSetInitiate", document)


def _together(directory: Path, members: int) -> list[MongoServer]:
    """All started at the same time; none is left running where one of them cannot be."""
    with ThreadPoolExecutor(members) as pool:
        starts = [
            pool.submit(MongoServer.member, directory / f"member-{number + 1}")
            for number in range(members)
        ]
    if error := next(filter(None, (start.exception() for start in starts)), None):
        for start in starts:
            if start.exception() is None:
                start.result().discard()
        raise error
    return [start.result() for start in starts]


def _port(server: MongoServer) -> int:
    port: int = parse_uri(server.uri)["nodelist"][0][1]
    return port


def _is_primary(member: Member) -> bool:
    try:
        with _client(member) as client:
            return bool(client.admin.command("hello")["isWritablePrimary"])
    except PyMongoError:
        return False


@contextlib.contextmanager
def _client(member: Member, answer_ms: int = _ANSWER_MS) -> Iterator[Client]:
    """Speaks to the member itself, whatever stands before it."""
    with Client(member.server.uri, timeoutMS=answer_ms) as client:
        yield client
