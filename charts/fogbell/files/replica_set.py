"""Begins a replica set of one member, and listens on port 27018 while it has a primary.

For dev.enabled alone: ``replica_set.py HOST:PORT``, the name by which the member is found. It goes
on looking: a pod of MongoDB's that has lost its data begins anew.
"""

import logging
import signal
import socket
import sys
import time
from contextlib import suppress

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

READY_PORT = 27018
PAUSE = 2.0
NOT_YET_INITIALIZED = 94

log = logging.getLogger("replica_set")


def has_primary(client: "MongoClient[dict[str, object]]", member: str) -> bool:
    """Whether the member is primary; begins the replica set where there is none."""
    if client.admin.command("hello").get("isWritablePrimary"):
        return True
    try:
        client.admin.command("replSetGetStatus")
    except OperationFailure as error:
        if error.code != NOT_YET_INITIALIZED:
            raise
        config = {"_id": "rs0", "members": [{"_id": 0, "host": member}]}
        client.admin.command("replSetInitiate", config)
        log.info("begun with %s", member)
    return False


def main() -> None:
    """Look until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    ready: socket.socket | None = None
    uri = f"mongodb://{sys.argv[1]}/?directConnection=true&serverSelectionTimeoutMS=2000"
    client: MongoClient[dict[str, object]] = MongoClient(uri)
    while True:
        primary = False
        with suppress(PyMongoError):
            primary = has_primary(client, sys.argv[1])
        if primary and ready is None:
            ready = socket.create_server(("", READY_PORT), backlog=1)
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
