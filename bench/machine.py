"""What a run was measured on, and with."""

import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path

from bench.plot import ROOT, Ground
from fogbell_local.servers import programs

_PACKAGES = (
    "celery", "dramatiq", "taskiq", "taskiq-aio-pika", "pymongo", "motor", "aio-pika", "uvloop",
    "starlette", "uvicorn",
)  # fmt: skip


def machine(ground: Ground) -> dict[str, object]:
    """Processor, cores, memory, system and the disk that the servers write to."""
    return {
        "processor": _first(Path("/proc/cpuinfo"), r"^model name\s*: (.*)$"),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "disk": _disk(ground.directory),
        "load_before": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    """Python, the servers and the packages that matter."""
    found = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {
        "python": platform.python_version(),
        "mongodb": _said([str(programs.mongod()), "--version"], r"version v(\S+)"),
        "rabbitmq": _rabbitmq(),
        **found,
    }


def commit() -> str:
    """The commit of the working tree, with a plus where it differs."""
    head = _said(["git", "-C", str(ROOT), "rev-parse", "HEAD"], r"(\w+)")
    changed = _said(
        ["git", "-C", str(ROOT), "status", "--porcelain", "--", "components", "bench"], r"(\S)"
    )
    return head + ("+" if changed else "")


def _rabbitmq() -> str:
    libraries = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*"))
    return libraries[-1].name.removeprefix("rabbitmq_server-") if libraries else "unknown"


def _disk(directory: Path) -> str:
    """The kind of file system that ``directory`` is on."""
    said = _said(["df", "--output=fstype", str(directory)], r"(?s)Type\s+(\S+)")
    return said or "unknown"


def _first(path: Path, pattern: str) -> str:
    found = re.search(pattern, path.read_text(), re.MULTILINE) if path.exists() else None
    return found[1].strip() if found else platform.processor()


def _said(command: list[str], pattern: str) -> str:
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    found = re.search(pattern, run.stdout)
    return found[1] if found else ""
