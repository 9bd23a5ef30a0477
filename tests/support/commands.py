"""Running commands that have to succeed."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

ATTEMPTS = 3
PAUSE_SECONDS = 10.0


class ToolError(Exception):
    """What is needed cannot be had, or has failed; the message says what it said, or what to do."""


def run(
    *command: str | Path,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """What ``command`` prints; raises `ToolError` with the end of its errors."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            input=stdin,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise ToolError(f"'{words[0]}' cannot be started: {error.strerror}") from error
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise ToolError(f"'{' '.join(words[:6])}' ended with {done.returncode}:\n{tail}")
    return done.stdout


def persistently(work: Callable[[], T]) -> T:
    """What ``work`` returns, tried again where a command has failed in it; says so.

    For what downloads thousands of files: one connection that breaks off is no reason to give up.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return work()
        except ToolError as error:
            if isinstance(error.__cause__, OSError):
                raise  # there is no such program
            sys.stderr.write(f"{error}\nIt is tried again in {PAUSE_SECONDS:g} s.\n")
            time.sleep(PAUSE_SECONDS)  # a network tells nobody when it is well again
    return work()
