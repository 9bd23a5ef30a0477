"""Running commands that have to succeed."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path


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
