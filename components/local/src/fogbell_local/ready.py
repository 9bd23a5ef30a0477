"""What a running `fogbell up` tells scripts and the client commands, as one JSON file.

The file holds an API key, so it is readable by its owner alone, and it is written whole or not at
all: whoever waits for it never reads half of it.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict, cast


class SinkAddresses(TypedDict):
    """``smtp`` is ``host:port``, or None where mail goes to an outside relay. The others are URLs:
    ``sms`` the gateways', in the order in which they are asked.
    """

    smtp: str | None
    webhook: str
    sms: list[str]
    fcm: str
    log: str


class Ready(TypedDict):
    """The file's shape. ``pids`` and ``metrics`` are by component."""

    intake: str
    api_key: str
    mongodb: str
    rabbitmq: str
    sink: SinkAddresses
    metrics: dict[str, str]
    pids: dict[str, list[int]]


def well_known_file(environ: Mapping[str, str] = os.environ) -> Path:
    """Where `fogbell up` leaves the file for client commands (XDG Base Directory: state)."""
    home = environ.get("XDG_STATE_HOME") or Path(environ.get("HOME", "~")).expanduser() / (
        ".local/state"
    )
    return Path(home) / "fogbell" / "up.json"


def write(path: Path, ready: Ready) -> None:
    """Write ``ready`` atomically, with mode 0600. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # mkstemp makes it 0600 from the first byte on
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w") as file:
            json.dump(ready, file, indent=2)
            file.write("\n")
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def read(path: Path) -> Ready | None:
    """What ``path`` holds; None where there is no such file, or none of ours."""
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(document, dict) or not Ready.__required_keys__ <= document.keys():
        return None
    return cast("Ready", document)


def remove(path: Path, own: Ready) -> None:
    """Delete ``path`` if it still is ``own``: another `fogbell up` may have written it since."""
    present = read(path)
    if present is not None and present["api_key"] == own["api_key"]:
        path.unlink(missing_ok=True)
