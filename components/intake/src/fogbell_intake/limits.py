"""How much one request may be. api.md's numbers, in one place."""

from collections import OrderedDict
from time import monotonic

MAX_HEAD = 64 * 1024
"""Bytes of a request line and its headers."""

MAX_BODY = 1_000_000
"""Bytes of a JSON body."""

MAX_DEPTH = 32
"""Arrays and objects within each other in a JSON body."""

MAX_LINE = 64 * 1024
"""Bytes of one record of an import."""

BODY_TIMEOUT = 30.0
"""Seconds that a whole JSON body may take to arrive."""

CHUNK_TIMEOUT = 60.0
"""Seconds that an import may stay silent."""

MAX_NAMED = 1_000
"""Recipients and inline addresses in one post."""

MAX_BATCH = 100
"""Posts in one batch."""

MAX_PAGE = 200
DEFAULT_PAGE = 50
MAX_ERRORS = 100
"""Errors that one problem lists."""

_KEYS_REMEMBERED = 10_000


class RateLimiter:
    """A token bucket per API key, within this process: replicas count apart.

    ``per_second`` requests on the long run, with a burst of as many seconds' worth as ``burst``
    says; None for no limit.
    """

    def __init__(self, per_second: float | None, burst_seconds: float = 2.0) -> None:
        self._rate = per_second
        self._size = max(1.0, (per_second or 0.0) * burst_seconds)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, key: str, now: float | None = None) -> float:
        """Take one token for ``key``; 0 if there was one, else the seconds until there is."""
        if self._rate is None:
            return 0.0
        at = monotonic() if now is None else now
        tokens, since = self._buckets.pop(key, (self._size, at))
        tokens = min(self._size, tokens + (at - since) * self._rate)
        missing = 1.0 - tokens
        self._remember(key, tokens if missing > 0 else tokens - 1.0, at)
        return missing / self._rate if missing > 0 else 0.0

    def _remember(self, key: str, tokens: float, at: float) -> None:
        self._buckets[key] = (tokens, at)
        if len(self._buckets) > _KEYS_REMEMBERED:
            self._buckets.popitem(last=False)
