"""The grants that one process holds, and how many it should ask for: pure arithmetic.

Times are seconds of this process's monotonic clock; MongoDB's are derived from a call's answer,
always so that a doubt makes a grant expire sooner and count longer.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from fogbell.model.rate_limit import Bookings, Budget, Granted

FIRST_SHARE = 100
"""Without any demand known yet, a hundredth of the limit is asked for ahead."""

MOST_SHARE = 20
"""Ahead of need, at most a twentieth of the limit: so much may lie idle in each process."""


@dataclass(slots=True)
class Allotment:
    """Grants of one budget in one process, taken together and used up or settled together."""

    budget: Budget
    _left: int = 0
    _granted: int = 0
    _booked: int = 0
    _epoch_ms: float = 0.0
    _used: Counter[int] = field(default_factory=Counter)

    def left(self, at: float) -> int:
        """Grants that may be used at ``at``."""
        return self._left if self._ms(at) < self.budget.end_ms(self._booked) else 0

    def spend(self, grants: int, at: float) -> bool:
        """Use ``grants`` now, all of them or none."""
        if grants > self.left(at):
            return False
        self._left -= grants
        self._used[self.budget.slot(self._ms(at))] += grants
        return True

    @property
    def spent(self) -> int:
        """Grants used since the last settlement."""
        return self._used.total()

    def settle(self) -> Bookings:
        """Give up what is held; returns what to tell of it, once and never again.

        A grant's booking moves from the last slot of its validity to the slot of its use, and one
        that was not used is free for others.
        """
        held, used = self._granted, sorted(self._used.items())
        self._left = self._granted = 0
        self._used.clear()
        return ((self._booked, -held), *used) if held else ()

    def receive(self, granted: Granted, asked_at: float) -> None:
        """Hold what a call that began at ``asked_at`` brought.

        MongoDB's time of the call is taken as that of its beginning, so that its clock is never
        further than is believed here.
        """
        self._left = self._granted = granted.grants
        self._booked = granted.booked
        # MongoDB keeps whole milliseconds.
        self._epoch_ms = granted.now_ms + 1 - asked_at * 1000

    def _ms(self, at: float) -> float:
        return self._epoch_ms + at * 1000


@dataclass(slots=True)
class Demand:
    """How many grants a second were asked for lately."""

    _rate: float = 0.0
    _since: float = -math.inf

    def observe(self, grants: int, at: float, least: float) -> None:
        """``grants`` were used or are waited for since the last call; ``least`` bounds the time."""
        recent = grants / max(at - self._since, least)
        # Rise at once, fall by halves: a pause of a moment does not forget a busy minute.
        self._rate = max(recent, (self._rate + recent) / 2)
        self._since = at

    def ahead(self, budget: Budget, pause: float) -> int:
        """Grants to ask for beyond those that are waited for.

        Half of what could be used while they are valid, within a twentieth of the limit; but as
        many as are used in two ``pause`` between calls, or calls could not keep up.
        """
        valid = budget.hold_slots * budget.slot_ms / 1000
        wanted = max(self._rate * valid / 2, budget.limit / FIRST_SHARE)
        most = max(budget.limit / MOST_SHARE, self._rate * pause * 2)
        return min(budget.limit, math.ceil(min(wanted, most)))


def booked_by_others(granted: Granted) -> Bookings:
    """All that counts but for the grants of this answer."""
    by_slot = Counter[int]()
    for slot, grants in granted.bookings:
        by_slot[slot] += grants
    by_slot[granted.booked] -= granted.grants
    return tuple((slot, grants) for slot, grants in sorted(by_slot.items()) if grants > 0)


def room_in_ms(bookings: Iterable[tuple[int, int]], budget: Budget, missing: int) -> int | None:
    """When ``missing`` grants of ``bookings`` count no more, by MongoDB's clock; None: never."""
    for slot, grants in sorted(bookings):
        missing -= grants
        if missing <= 0:
            return budget.released_ms(slot)
    return None
