"""Running commands that have to succeed."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path


class CommandError(Exception):
    """A command is not here or has failed; the message says what it said, or what to do."""


def run(
    *command: str | Path,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """What ``command`` prints; raises `CommandError` with the end of its errors."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        input=stdin,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise CommandError(f"'{' '.join(words[:6])}' ended with {done.returncode}:\n{tail}")
    return done.stdout
