"""Ports of this machine that lead into the cluster."""

import contextlib
import queue
import re
from collections.abc import Iterator

from tests.cluster.kube import Kube

_FORWARDING = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")


@contextlib.contextmanager
def forwarded(kube: Kube, target: str, port: int = 80) -> Iterator[int]:
    """A local port that leads to ``target`` (``service/NAME``) while the block runs."""
    with kube.lines("port-forward", target, f":{port}") as lines:
        yield _local_port(lines)


def _local_port(lines: "queue.Queue[str]") -> int:
    seen: list[str] = []
    while True:
        try:
            seen.append(lines.get(timeout=30))
        except queue.Empty:
            raise AssertionError(f"no port was forwarded: {seen}") from None
        match = _FORWARDING.match(seen[-1])
        if match:
            return int(match[1])
