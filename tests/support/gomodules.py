"""Programs from Go modules: built once for a machine, outside the work tree."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.support.commands import CommandError, run

from fogbell_local.servers import cache

Say = Callable[[str], None]


def built(name: str, module: str, version: str, time: str, say: Say) -> Path:
    """The program of a Go ``module``, built where this machine has not got it; ``time`` is what
    that takes, for people. Raises `CommandError`.
    """
    program = cache() / f"{name}-{version}" / module.rpartition("/")[2]

    def build(making: Path) -> None:
        with tempfile.TemporaryDirectory(dir=program.parent) as folder:
            arguments = ("install", "-ldflags", "-s -w", f"{module}@{version}")
            go(*arguments, cwd=program.parent, env={"GOBIN": folder, "GOFLAGS": ""})
            (Path(folder) / program.name).rename(making)

    return once(program, f"{name} {version}", time, build, say)


def once(
    program: Path,
    what: str,
    time: str,
    build: Callable[[Path], None],
    say: Say,
) -> Path:
    """``program``, which ``build`` makes where this machine has not got it: beside its place, so
    that what stands there is whole. Raises what ``build`` does.
    """
    if not program.exists():
        say(f"building {what}: about {time}, once for this machine")
        program.parent.mkdir(parents=True, exist_ok=True)
        making = program.with_name(f"{program.name}.{os.getpid()}")
        build(making)
        making.rename(program)
    return program


def files_of(name: str, version: str) -> Path:
    """Where the files of a Go module are; they are downloaded once."""
    wanted = ("mod", "download", "-json", f"{name}@{version}")
    told = json.loads(go(*wanted, cwd=cache(), env={"GOFLAGS": ""}))
    return Path(told["Dir"])


def go(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> str:
    """What the go command prints. Without cgo: what it builds runs in any image."""
    program = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if program is None:
        raise CommandError("it is built from Go modules: install Go 1.24 or newer")
    return run(program, *arguments, cwd=cwd, env={"CGO_ENABLED": "0", **(env or {})})
