"""The servers as containers, where a Docker engine answers and has their images."""

import functools
import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

MONGODB_IMAGE = "mongo:6.0"
RABBITMQ_IMAGE = "rabbitmq:3.13"


@functools.cache
def available() -> bool:
    """Whether a Docker engine answers."""
    return shutil.which("docker") is not None and _succeeds("info")


def has_image(image: str) -> bool:
    """Whether ``image`` is here already: a start never waits for a download."""
    return available() and _succeeds("image", "inspect", image)


def pull(image: str) -> bool:
    """Make sure that ``image`` is here; False where it cannot be had."""
    return has_image(image) or _succeeds("pull", "--quiet", image)


@dataclass(frozen=True, slots=True)
class Container:
    """One server's container. Its data lies in a named volume, which outlives restarts.

    ``port`` is the same inside and outside, so that a replica set's member is reached under one
    address from both sides.
    """

    image: str
    port: int
    directory: Path
    data: str
    env: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The container's and the volume's: one directory, one server."""
        return f"fogbell-{hashlib.sha256(bytes(self.directory.resolve())).hexdigest()[:12]}"

    def run(self, program: Sequence[str] = ()) -> list[str]:
        """The command that runs it in the foreground."""
        variables = [f"--env={key}={value}" for key, value in self.env.items()]
        return [
            "docker", "run", "--rm", f"--name={self.name}", "--hostname=fogbell",
            f"--publish=127.0.0.1:{self.port}:{self.port}", f"--volume={self.name}:{self.data}",
            *variables, self.image, *program,
        ]  # fmt: skip

    def remove(self) -> list[str]:
        """The command that ends it, whatever state it is in; the data stays."""
        return ["docker", "rm", "--force", self.name]

    def discard_data(self) -> None:
        """Delete the volume; the container must have ended."""
        subprocess.run(
            ["docker", "volume", "rm", "--force", self.name], check=True, capture_output=True
        )


def _succeeds(*arguments: str) -> bool:
    try:
        run = subprocess.run(["docker", *arguments], check=False, capture_output=True, timeout=600)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return run.returncode == 0
