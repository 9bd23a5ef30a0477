"""When a request is sent again, and how long to wait before. Values and arithmetic; no waiting."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from fogbell_client.errors import LOST, FogbellError, ProblemError, UnreachableError, unreachable

TOO_MANY, UNAVAILABLE = 429, 503

OnRetry = Callable[[FogbellError, float], None]
"""Told what happened, and the seconds until the next try."""


class Repeat(Enum):
    """Which failures allow a request to be sent again."""

    ALWAYS = "always"
    """Twice is as good as once: reads, PUT, DELETE, and posts with an idempotency key."""

    WITHOUT_EFFECT = "without effect"
    """Only if it certainly did nothing: it was never sent, or refused by the rate limit."""

    UNSENT = "unsent"
    """Only if it was never sent: its body can be read only once."""

    def allows(self, error: FogbellError) -> bool:
        """Whether to try again after ``error``."""
        if isinstance(error, UnreachableError):
            return self is Repeat.ALWAYS or not error.sent
        if not isinstance(error, ProblemError) or self is Repeat.UNSENT:
            return False
        # A 503 may come after a write whose outcome is not known.
        return error.status == TOO_MANY or (error.status == UNAVAILABLE and self is Repeat.ALWAYS)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How patient a client is; every field is in seconds.

    A request is tried again on 429, 503 and lost connections, never sooner than ``Retry-After``
    says, after pauses that double from ``first_pause`` to ``longest_pause`` (half of each is
    random, so that many clients do not return at once). It is given up on, with the last error,
    when the next try would start later than ``patience`` after the first one, or than
    ``connect_patience`` while nobody listens.
    """

    patience: float = 20.0
    connect_patience: float = 20.0
    first_pause: float = 0.25
    longest_pause: float = 4.0

    def __post_init__(self) -> None:
        if not 0 < self.first_pause <= self.longest_pause:
            raise ValueError("expected 0 < first_pause <= longest_pause: they bound the tries")

    def pause(
        self, error: FogbellError, repeat: Repeat, *, failures: int, elapsed: float, chance: float
    ) -> float | None:
        """Seconds to wait before the next try, or None to give up.

        ``failures`` so far, this one included; ``elapsed`` seconds since the first try began;
        ``chance`` at random from 0 to 1.
        """
        if not repeat.allows(error):
            return None
        unsent = isinstance(error, UnreachableError) and not error.sent
        patience = self.connect_patience if unsent else self.patience
        asked = error.retry_after if isinstance(error, ProblemError) else None
        wait = (asked or 0.0) + self.backoff(failures) * (0.5 + chance / 2)
        return wait if elapsed + wait <= patience else None

    def backoff(self, failures: int) -> float:
        """The pause after so many failures, before chance: doubled each time, up to the longest."""
        # Beyond 2**64 a float may overflow, and any pause has reached the longest long before.
        return min(self.longest_pause, self.first_pause * 2.0 ** min(failures - 1, 64))


NO_RETRIES = RetryPolicy(patience=0, connect_patience=0)
"""Every failure is raised at once."""


class Tries:
    """The tries of one request."""

    def __init__(
        self,
        url: str,
        policy: RetryPolicy,
        repeat: Repeat,
        on_retry: OnRetry | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._policy = policy
        self._repeat = repeat
        self._on_retry = on_retry
        self._clock = clock
        self._began = clock()
        self._failures = 0

    def pause(self, error: Exception) -> float:
        """Seconds to wait before the next try; raises a `FogbellError` instead to give up."""
        self._failures += 1
        known = error if isinstance(error, FogbellError) else unreachable(self._url, error)
        wait = self._policy.pause(
            known,
            self._repeat,
            failures=self._failures,
            elapsed=self._clock() - self._began,
            chance=random.random(),  # noqa: S311 - not a secret
        )
        if wait is None:
            raise known from (None if known is error else error)
        if self._on_retry is not None:
            self._on_retry(known, wait)
        return wait


FAILURES = (FogbellError, *LOST)
"""What `Tries.pause` takes."""
