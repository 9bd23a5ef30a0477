"""What processes have used, from /proc: a process and everything it has started.

Source: proc(5), ``/proc/[pid]/stat`` and ``/proc/[pid]/status``.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Usage:
    """Seconds of CPU so far, and the highest resident memory in bytes, summed over processes."""

    cpu: float = 0.0
    peak: int = 0

    @classmethod
    def of(cls, pid: int) -> "Usage":
        """Of ``pid`` and all below it; nothing where it has ended."""
        tree = list(_tree(pid))
        return cls(sum(map(_cpu, tree)), sum(map(_peak, tree)))


def _tree(pid: int) -> Iterator[int]:
    children = _children()
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        yield one
        waiting += children.get(one, [])


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            found.setdefault(int(fields[1]), []).append(int(entry.name))
    return found


def _cpu(pid: int) -> float:
    """User and system time, those of its ended children included."""
    fields = _stat(pid)
    return sum(int(field) for field in fields[11:15]) / _TICKS if fields else 0.0


def _stat(pid: int) -> list[str]:
    """The fields behind the program's name, which may hold spaces."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _peak(pid: int) -> int:
    try:
        lines = (_PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return 0
    found = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(found[0]) * 1024 if found else 0
