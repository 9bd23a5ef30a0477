"""Programs from Go modules: built once for a machine, outside the work tree."""

import json
import shutil
import tempfile
from pathlib import Path

from tests.support.commands import ToolError, persistently, run
from tests.support.making import Say, once

from fogbell_local.cache import cache


def built(name: str, module: str, version: str, time: str, say: Say) -> Path:
    """The program of a Go ``module``, built where this machine has not got it; ``time`` is what
    that takes, for people. Raises `ToolError`.
    """
    program = cache() / f"{name}-{version}" / module.rpartition("/")[2]

    def build(making: Path) -> None:
        with tempfile.TemporaryDirectory(dir=program.parent) as folder:
            arguments = ("install", "-ldflags", "-s -w", f"{module}@{version}")
            go(*arguments, cwd=program.parent, env={"GOBIN": folder, "GOFLAGS": ""})
            (Path(folder) / program.name).rename(making)

    return once(program, f"building {name} {version}: about {time}", build, say)


def files_of(module: str, version: str) -> Path:
    """Where the files of a Go ``module`` are; they are downloaded once."""
    wanted = ("mod", "download", "-json", f"{module}@{version}")
    told = json.loads(go(*wanted, cwd=Path.home(), env={"GOFLAGS": ""}))
    return Path(told["Dir"])


def go(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> str:
    """What the go command prints. Without cgo: what it builds runs in any image."""
    program = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if program is None:
        raise ToolError("it is built from Go modules: install Go 1.24 or newer")
    environ = {"CGO_ENABLED": "0", **(env or {})}
    # It tries no download twice by itself.
    return persistently(lambda: run(program, *arguments, cwd=cwd, env=environ))
