"""A MongoDB that lets in who has a password: a replica set of one node, with access control."""

import secrets
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymongo
from pymongo.errors import PyMongoError

from fogbell.store.database import Database
from fogbell_local.servers import ServerError, programs
from fogbell_local.servers.ports import free_ports
from fogbell_local.servers.process import GuardedProcess

PASSWORD = "secret"
START_SECONDS = 60.0

Client = pymongo.MongoClient[dict[str, Any]]


@dataclass(frozen=True)
class User:
    """A user, and the one database that it has a role in."""

    name: str
    database: str
    port: int
    admin: Client

    def uri(self, password: str = PASSWORD) -> str:
        address = f"{self.name}:{password}@127.0.0.1:{self.port}"
        return f"mongodb://{address}/?replicaSet=rs0&authSource=admin"

    def connect(self, password: str = PASSWORD) -> Database:
        """The database as this user sees it; whoever asks for it closes it."""
        return Database(self.uri(password), self.database)

    def take(self, role: str) -> None:
        """Have ``role`` and no other."""
        self.admin.admin.command("updateUser", self.name, roles=_in(self.database, role))

    def change_password(self, password: str) -> None:
        self.admin.admin.command("updateUser", self.name, pwd=password)


class LockedMongo:
    """One that runs, and has an administrator."""

    def __init__(self, port: int) -> None:
        self._port = port
        with self._client() as client:
            # While there is no user yet, this machine may make the first.
            client.admin.command("createUser", "admin", pwd=PASSWORD, roles=["root"])
        self._admin = self._client(f"admin:{PASSWORD}@")

    def user(self, role: str, database: str | None = None) -> User:
        """A new user with one of MongoDB's own roles in ``database``, or else in a new one."""
        number = uuid.uuid4().hex[:12]
        made = User(f"u{number}", database or f"t{number}", self._port, self._admin)
        roles = _in(made.database, role)
        self._admin.admin.command("createUser", made.name, pwd=PASSWORD, roles=roles)
        return made

    def close(self) -> None:
        """Close the administrator's connections."""
        self._admin.close()

    def _client(self, login: str = "") -> Client:
        return Client(f"mongodb://{login}127.0.0.1:{self._port}/?directConnection=true")


def _in(database: str, role: str) -> list[dict[str, str]]:
    return [{"role": role, "db": database}]


@contextmanager
def locked_mongo(directory: Path) -> Iterator[LockedMongo]:
    """Start one; ``directory`` takes data, log and key. Starts in about two seconds."""
    port = free_ports(1)[0]
    process = GuardedProcess(_command(directory, port), directory / "mongod.log")
    try:
        with Client(
            f"mongodb://127.0.0.1:{port}/?directConnection=true", serverSelectionTimeoutMS=200
        ) as client:
            process.wait_until(lambda: _initiated(client, port), START_SECONDS, "MongoDB")
            process.wait_until(lambda: _is_primary(client), START_SECONDS, "MongoDB")
        locked = LockedMongo(port)
        yield locked
        locked.close()
    finally:
        process.kill()


def _command(directory: Path, port: int) -> list[str]:
    mongod = programs.mongod()
    if mongod is None:
        raise ServerError("no mongod here: run 'fogbell servers install'")
    data, key = directory / "data", directory / "key"
    data.mkdir(parents=True)
    # Members of a replica set know each other by it, and it turns access control on.
    key.write_text(secrets.token_hex(64))
    key.chmod(0o400)
    return [
        str(mongod), "--bind_ip=127.0.0.1", "--nounixsocket", f"--port={port}", f"--dbpath={data}",
        "--replSet=rs0", f"--keyFile={key}", "--wiredTigerCacheSizeGB=0.25",
        "--setParameter=diagnosticDataCollectionEnabled=false",
    ]  # fmt: skip


def _initiated(client: Client, port: int) -> bool:
    members = [{"_id": 0, "host": f"127.0.0.1:{port}"}]
    try:
        client.admin.command("replSetInitiate", {"_id": "rs0", "members": members})
    except PyMongoError:
        return False
    return True


def _is_primary(client: Client) -> bool:
    try:
        return bool(client.admin.command("hello")["isWritablePrimary"])
    except PyMongoError:
        return False
