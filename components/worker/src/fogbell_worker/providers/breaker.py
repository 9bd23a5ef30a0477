"""A circuit breaker: a provider that fails again and again is left alone for a while.

Pure: it knows no clock. ``now`` is any clock that never goes back, in seconds.
"""

from dataclasses import dataclass
from enum import StrEnum

PROBE_POLL = 0.5
"""Seconds after which to look again while a probe is under way."""


class State(StrEnum):
    """Closed: all may pass. Open: none may. Half-open: one may, and decides."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """When a breaker opens, and for how long.

    It opens after ``failures`` in a row, or once at least ``least`` answers within ``window``
    seconds have failed at a share of ``share`` or more; after ``pause`` seconds one send may try.
    """

    failures: int = 10
    share: float = 0.5
    least: int = 50
    window: float = 30.0
    pause: float = 10.0


class Breaker:
    """One provider's breaker. Each `begin` is followed by one of the three endings.

    A ticket is good for the state it was given in: what was under way when the breaker changed
    says nothing about the provider since.
    """

    def __init__(self, rules: BreakerRules) -> None:
        self._rules = rules
        self._ticket = 0
        self._until = 0.0
        self._in_a_row = 0
        self._window_began = 0.0
        self._answers = 0
        self._failures = 0
        self.state = State.CLOSED

    def wait(self, now: float) -> float:
        """Seconds until it is worth asking again; 0.0: a send may begin."""
        if self.state is State.CLOSED:
            return 0.0
        if self.state is State.HALF_OPEN:
            return PROBE_POLL
        return max(0.0, self._until - now)

    def begin(self, now: float) -> int | None:
        """A ticket for one send, or None where none may begin."""
        if self.state is State.CLOSED:
            return self._ticket
        if self.wait(now) > 0:
            return None
        self._turn(State.HALF_OPEN)
        return self._ticket

    def succeeded(self, ticket: int, now: float) -> None:
        """The provider answered, whatever it said of the message."""
        if ticket != self._ticket:
            return
        if self.state is State.HALF_OPEN:
            self._close()
        self._in_a_row = 0
        self._count(now, failed=False)

    def failed(self, ticket: int, now: float) -> None:
        """The provider, or our account there, failed."""
        if ticket != self._ticket:
            return
        if self.state is State.HALF_OPEN:
            self._open(now)
            return
        self._in_a_row += 1
        self._count(now, failed=True)
        if self._in_a_row >= self._rules.failures or self._too_many():
            self._open(now)

    def abandoned(self, ticket: int, now: float) -> None:
        """The send was cancelled: it says nothing. The next one may be the probe at once."""
        if ticket == self._ticket and self.state is State.HALF_OPEN:
            self._turn(State.OPEN)
            self._until = now

    def _count(self, now: float, *, failed: bool) -> None:
        if now - self._window_began > self._rules.window:
            self._window_began, self._answers, self._failures = now, 0, 0
        self._answers += 1
        self._failures += failed

    def _too_many(self) -> bool:
        rules = self._rules
        return self._answers >= rules.least and self._failures >= rules.share * self._answers

    def _open(self, now: float) -> None:
        self._turn(State.OPEN)
        self._until = now + self._rules.pause

    def _close(self) -> None:
        self._turn(State.CLOSED)
        self._in_a_row = self._answers = self._failures = 0

    def _turn(self, state: State) -> None:
        self.state = state
        self._ticket += 1
