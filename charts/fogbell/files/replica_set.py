"""Begins a replica set of one member, and listens on a port of its own while it has a primary.

For dev.enabled alone: ``replica_set.py HOST:PORT READY_PORT``, the name by which the member is
found. It goes on looking: a pod of MongoDB's that has lost its data begins anew.

A member looks for itself in its set once only, as it starts. So the set has its name in full, which
a pod finds in its own /etc/hosts: shorter ones are asked of DNS, which may not know a new pod yet.
A member that was named otherwise and is out of its own set for that is taken in again.
"""

import logging
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

PAUSE = 2.0
NOT_YET_INITIALIZED = 94
NOT_A_MEMBER = 93  # InvalidReplicaSetConfig, as MongoDB names it

log = logging.getLogger("replica_set")

Client = MongoClient[dict[str, Any]]


def look(client: Client, member: str) -> bool:
    """Whether there is a primary, whatever keeps one from telling."""
    try:
        return has_primary(client, member)
    except OperationFailure as error:
        log.warning("refused by MongoDB: %s", (error.details or {}).get("errmsg"))
    except (PyMongoError, socket.gaierror):
        pass  # away, or not there yet: readiness says so
    return False


def has_primary(client: Client, member: str) -> bool:
    """Whether the member is primary; begins the set, or takes the member in, where needed."""
    if client.admin.command("hello").get("isWritablePrimary"):
        return True
    try:
        client.admin.command("replSetGetStatus")
    except OperationFailure as error:
        if error.code == NOT_YET_INITIALIZED:
            begin(client, in_full(member))
        elif error.code == NOT_A_MEMBER:
            take_in(client, in_full(member))
        else:
            raise
    return False


def in_full(member: str) -> str:
    """Its name with the domain of the cluster, and its port. Raises socket.gaierror."""
    host, _, port = member.rpartition(":")
    canonical = socket.getaddrinfo(host, None, flags=socket.AI_CANONNAME)[0][3]
    return f"{canonical}:{port}"


def begin(client: Client, member: str) -> None:
    """The set, with its only member."""
    config = {"_id": "rs0", "members": [{"_id": 0, "host": member}]}
    client.admin.command("replSetInitiate", config)
    log.info("begun with %s", member)


def take_in(client: Client, member: str) -> None:
    """The member whose set has only itself. By force: there is no primary that could agree.

    It looks for itself again where its name is another; under the same one only a restart helps.
    """
    config = client.admin.command("replSetGetConfig")["config"]
    hosts = [each["host"] for each in config["members"]]
    if len(hosts) != 1 or hosts == [member]:
        log.warning("%s is out of its set of %s: delete its pod", member, ", ".join(hosts))
        return
    only = config["members"][0] | {"host": member}
    config |= {"version": config["version"] + 1, "members": [only]}
    client.admin.command("replSetReconfig", config, force=True)
    log.info("taken in again as %s", member)


def main() -> None:
    """Look until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    member, ready_port = sys.argv[1], int(sys.argv[2])
    ready: socket.socket | None = None
    client: Client = MongoClient(
        f"mongodb://{member}/?directConnection=true&serverSelectionTimeoutMS=2000"
    )
    while True:
        primary = look(client, member)
        if primary and ready is None:
            ready = socket.create_server(("", ready_port), backlog=1)
            log.info("there is a primary")
        elif not primary and ready is not None:
            ready.close()
            ready = None
        drain(ready)


def drain(ready: socket.socket | None) -> None:
    """Wait a while, and take the connections of probes off the queue meanwhile."""
    if ready is None:
        time.sleep(PAUSE)  # no probe is let in yet, and an election tells nobody
        return
    ready.settimeout(PAUSE)
    with suppress(TimeoutError):
        ready.accept()[0].close()


if __name__ == "__main__":
    main()
