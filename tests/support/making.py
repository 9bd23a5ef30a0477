"""What takes long is made once for a machine, and what stands in its place is whole."""

import os
from collections.abc import Callable
from pathlib import Path

Say = Callable[[str], None]
"""Tells people what is going on."""


def once(place: Path, what: str, make: Callable[[Path], None], say: Say) -> Path:
    """``place``, which ``make`` makes where this machine has not got it, in a file beside; ``what``
    says what goes on. Raises what ``make`` does.
    """
    if not place.exists():
        say(f"{what}, once for this machine")
        place.parent.mkdir(parents=True, exist_ok=True)
        making = place.with_name(f"{place.name}.{os.getpid()}")
        making.unlink(missing_ok=True)
        try:
            make(making)
            making.rename(place)
        finally:
            making.unlink(missing_ok=True)
    return place
