"""How long to go on without MongoDB. Pure."""

from datetime import timedelta

LASTING = 60.0
"""Seconds after which an attempt counts as one that worked: one that only fails is over sooner."""


class Patience:
    """Bounds a row of failed attempts; times are of a monotonic clock, in seconds."""

    def __init__(self, span: timedelta) -> None:
        self._span = span.total_seconds()
        self._since: float | None = None

    def ends(self, began: float, ended: float) -> bool:
        """Whether the attempt that has just failed is the last one."""
        if self._since is None:
            self._since = began
        if ended - began > LASTING:
            self._since = ended
        return ended - self._since >= self._span
