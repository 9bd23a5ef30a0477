"""A rate limit that processes share: what is asked of its record, and what comes back.

Time is cut into slots. Every grant is booked in a slot, and counts until a whole window of slots
has passed after it. A grant that is not used yet is booked in the last slot in which it may be.
"""

import math
from dataclasses import dataclass

SLOTS = 20
"""Slots a window. A grant counts for a slot longer than its window: what is never exceeded is
1/20 more than what is reached."""

LONGEST_HOLD = 10.0
"""Seconds that a grant may lie unused in one process, however long the window is."""

SHORTEST_WINDOW = 0.1


@dataclass(frozen=True, slots=True)
class Budget:
    """At most ``limit`` grants in any ``window_seconds``, for all who share ``name``."""

    name: str
    limit: int
    window_seconds: float

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise ValueError(f"expected a limit of at least 1, not {self.limit}")
        if not SHORTEST_WINDOW <= self.window_seconds < math.inf:
            raise ValueError(
                f"expected a window of at least {SHORTEST_WINDOW} s, not {self.window_seconds}"
            )

    @property
    def slot_ms(self) -> int:
        """The length of a slot, rounded up: `SLOTS` of them are never less than a window."""
        return math.ceil(self.window_seconds * 1000 / SLOTS)

    @property
    def hold_slots(self) -> int:
        """For how many slots after the one of the grant it may be used."""
        hold = min(self.window_seconds, LONGEST_HOLD)
        return max(1, math.floor(hold * 1000 / self.slot_ms))

    def slot(self, at_ms: float) -> int:
        """The slot of a time, in milliseconds since 1970 by MongoDB's clock."""
        return math.floor(at_ms / self.slot_ms)

    def end_ms(self, slot: int) -> int:
        """When a slot is over."""
        return (slot + 1) * self.slot_ms

    def released_ms(self, slot: int) -> int:
        """From when on what is booked in ``slot`` counts no more."""
        return self.end_ms(slot + SLOTS)


Bookings = tuple[tuple[int, int], ...]
"""(slot, grants) pairs; in a settlement, grants below zero take a booking back."""


@dataclass(frozen=True, slots=True)
class Ask:
    """``need`` grants for those who wait, and up to ``ahead`` more if there is room in plenty.

    Each of them wants ``each``, all or none: of ``need``, a multiple of it, only multiples are
    given. A part that is of no use to anybody here would be missing elsewhere.

    ``settled`` says what became of earlier grants: their bookings taken back, and what was used
    booked in the slots of its use.
    """

    need: int
    ahead: int = 0
    settled: Bookings = ()
    each: int = 1


@dataclass(frozen=True, slots=True)
class Granted:
    """The answer: ``grants`` that may be used until the end of slot ``booked``.

    ``now_ms`` is MongoDB's time of the call; ``bookings`` is all that counts, these included.
    """

    grants: int
    booked: int
    now_ms: int
    bookings: Bookings
