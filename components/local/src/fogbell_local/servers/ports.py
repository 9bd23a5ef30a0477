"""Ports for servers that must come back on the same one after a restart.

Between choosing a port and listening on it lies a start of some seconds. So what a process has
chosen is reserved until it ends, before every other process of this user that asks here: by a lock
on the port's own byte of one file, which the kernel releases however the process ends.
"""

import fcntl
import functools
import json
import os
import random
import socket
from pathlib import Path

RANGE = range(18_000, 32_000)
"""Below Linux' ephemeral range (32768 and up): while a server is down, no outgoing connection of
another program can be given its port."""

_random = random.SystemRandom()
_reserved: set[int] = set()
"""What this process has chosen: a process' locks do not stand in its own way."""


def free_ports(count: int) -> list[int]:
    """Distinct ports of 127.0.0.1 that nobody listens on, and nobody else gets from here.

    Raises OSError if there are none.
    """
    found: list[int] = []
    for port in _random.sample(RANGE, k=len(RANGE)):
        if port not in _reserved and _is_free(port) and _reserve(port):
            found.append(port)
        if len(found) == count:
            return found
    raise OSError(f"fewer than {count} free ports on 127.0.0.1 in {RANGE}")


def kept_ports(directory: Path, count: int) -> list[int]:
    """Free ports, the same ones for the same directory: data may name them.

    Raises OSError where somebody else has taken one since.
    """
    file = directory / "ports.json"
    kept: list[int] = json.loads(file.read_text()) if file.exists() else []
    if taken := [port for port in kept if not (_is_free(port) and _reserve(port))]:
        raise OSError(f"the data in {directory} belongs to port {taken[0]}, which is in use")
    if len(kept) < count:  # new, or from before one was added
        directory.mkdir(parents=True, exist_ok=True)
        kept += free_ports(count - len(kept))
        file.write_text(json.dumps(kept))
    return kept


def _reserve(port: int) -> bool:
    """False where another process has it."""
    try:
        fcntl.lockf(_reservations(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except (BlockingIOError, PermissionError):
        return False
    _reserved.add(port)
    return True


@functools.cache
def _reservations() -> int:
    """The file's descriptor, open for as long as the process lives: closing it would unlock all.

    Ports are the machine's: the file is the same one wherever TMPDIR points.
    """
    file = f"/tmp/fogbell-ports-{os.getuid()}"  # noqa: S108 (each user's own, never followed)
    return os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
