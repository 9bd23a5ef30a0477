"""How fast each API key may ask: one limit over all replicas, with few calls to MongoDB."""

from collections import OrderedDict
from dataclasses import dataclass
from time import monotonic

from fogbell.limiting import Limiter
from fogbell.store.database import Database, StoreUnavailableError

BURST_SECONDS = 2.0
"""A key may use so many seconds' worth of its rate at once."""

SHORTEST_BURST = 1
"""A key may ask once, however low its rate is."""

KEYS_REMEMBERED = 10_000
"""Keys with an allotment in this process; of more, the one used longest ago gives up its own."""


class KeyLimits:
    """The limit of every key, in requests per second; ``per_second`` is for keys without their
    own. None: no limit.

    While MongoDB is away each process holds the keys to the limit by itself: what needs MongoDB
    fails anyway.
    """

    def __init__(self, db: Database, per_second: float | None) -> None:
        self._db = db
        self._per_second = per_second
        self._keys: OrderedDict[str, _KeyLimit] = OrderedDict()

    async def wait(self, key_id: str, own_rate: float | None, requests: int = 1) -> float:
        """Charge a key for ``requests``, all or none: 0.0, or the seconds to wait before it asks
        again. More than a burst is charged as a burst, or it could never be admitted.
        """
        rate = own_rate if own_rate is not None else self._per_second
        if rate is None:
            return 0.0
        known = self._of(key_id, rate)
        requests = min(requests, known.limiter.budget.limit)
        try:
            return await known.limiter.try_acquire(requests)
        except StoreUnavailableError:
            return known.alone.wait(requests)

    def _of(self, key_id: str, rate: float) -> "_KeyLimit":
        known = self._keys.pop(key_id, None) or _key_limit(self._db, key_id, rate)
        self._keys[key_id] = known
        if len(self._keys) > KEYS_REMEMBERED:
            self._keys.popitem(last=False)
        return known


class TokenBucket:
    """A limit within this process: ``rate`` a second on the long run, ``size`` at once."""

    def __init__(self, rate: float, size: float) -> None:
        self._rate, self._size = rate, size
        self._tokens, self._since = size, 0.0

    def wait(self, tokens: int, now: float | None = None) -> float:
        """Take ``tokens``; 0 if there were as many, else the seconds until there are."""
        at = monotonic() if now is None else now
        self._tokens = min(self._size, self._tokens + (at - self._since) * self._rate)
        self._since = at
        missing = tokens - self._tokens
        if missing > 0:
            return missing / self._rate
        self._tokens -= tokens
        return 0.0


@dataclass(frozen=True, slots=True)
class _KeyLimit:
    limiter: Limiter
    alone: TokenBucket


def _key_limit(db: Database, key_id: str, rate: float) -> _KeyLimit:
    burst = max(SHORTEST_BURST, round(rate * BURST_SECONDS))
    # The window in which the rate comes to a whole number: exactly the rate, for any rate.
    return _KeyLimit(Limiter(db, f"key:{key_id}", burst, burst / rate), TokenBucket(rate, burst))
