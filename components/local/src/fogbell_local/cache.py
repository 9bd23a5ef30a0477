"""Where Fogbell keeps what it has made or fetched once for this machine."""

import os
from pathlib import Path


def cache() -> Path:
    """The folder, which may not be there yet."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "fogbell"
