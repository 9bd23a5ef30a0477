"""Being asked to stop, without being torn out of the middle of a start."""

import os
import signal
import threading
from types import FrameType


class Interrupted(Exception):  # noqa: N818 - it is no error to be asked to stop
    """Raised at a checkpoint after SIGINT or SIGTERM."""


class Stop:
    """Set by the first SIGINT or SIGTERM. The second one ends this process at once.

    Even then nothing is left behind: the guardians of what was started see this process gone.
    """

    def __init__(self) -> None:
        self._asked = threading.Event()

    def listen(self) -> None:
        """Take over both signals; from the main thread only."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def checkpoint(self) -> None:
        """Raises Interrupted if asked to stop."""
        if self._asked.is_set():
            raise Interrupted

    def wait(self, seconds: float) -> bool:
        """Wait so long for it; whether it came."""
        return self._asked.wait(seconds)

    def _ask(self, number: int, _: FrameType | None) -> None:
        if self._asked.is_set():
            os._exit(128 + number)
        self._asked.set()
