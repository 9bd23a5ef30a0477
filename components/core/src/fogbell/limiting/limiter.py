"""Waits for, or asks for, room in a rate limit that many processes share."""

import asyncio
import contextvars
import itertools
from collections import deque
from dataclasses import dataclass
from time import monotonic

import structlog

from fogbell.limiting.allotment import Allotment, Demand, booked_by_others, room_in_ms
from fogbell.model.rate_limit import Ask, Budget, Granted
from fogbell.store import rate_limits
from fogbell.store.database import Database, StoreUnavailableError

PAUSE = 0.05
"""Seconds between two calls of one limiter to MongoDB: at most 20 a second, whatever the rate."""

AWAY_PAUSE = 1.0
"""Seconds until MongoDB is asked again when it was away."""

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Taker:
    """Who wants ``grants``. The answer is 0.0, or the seconds until it is worth asking again;
    a ``patient`` one gets no other answer than 0.0.
    """

    grants: int
    patient: bool
    answer: "asyncio.Future[float]"


class Limiter:
    """Grants of one budget: at most ``limit`` in any ``window_seconds``, over all limiters that
    name it, in whichever process. All of them must be given the same limit and window.

    Strict, by MongoDB's clock and for any window, not for fixed ones only: no stretch of
    ``window_seconds`` sees more than ``limit`` grants. A grant is used when a method here says so.
    Grants come in lots: one write brings those that wait and a few ahead, and while a call is
    under way the next ones gather. What is reached under full load is 1/20 less than the limit.
    Opens nothing and needs no closing.
    """

    def __init__(self, db: Database, name: str, limit: int, window_seconds: float) -> None:
        """``limit`` is at least 1, ``window_seconds`` at least 0.1."""
        self._db = db
        self.budget = Budget(name, limit, window_seconds)
        self._allotment = Allotment(self.budget)
        self._demand = Demand()
        self._takers: deque[_Taker] = deque()
        self._caller: asyncio.Task[None] | None = None
        self._next_call = 0.0
        self._short: _Shortage | None = None
        self._away: StoreUnavailableError | None = None

    async def acquire(
        self,
        n: int = 1,
        *,
        timeout: float,  # noqa: ASYNC109 - giving up is an answer here, not an exception
    ) -> bool:
        """Wait for ``n`` grants, in turn; False: there were none within ``timeout`` seconds.

        MongoDB's absence is waited out like a lack of room. Raises ValueError where ``n`` is more
        than the limit: no wait would ever end.
        """
        self._check(n)
        if self._at_once(n):
            return True
        taker = self._join(n, patient=True)
        try:
            await asyncio.wait((taker.answer,), timeout=timeout)
            return taker.answer.done() and taker.answer.result() == 0.0
        finally:
            self._leave(taker)

    async def try_acquire(self, n: int = 1) -> float:
        """Take ``n`` grants, all or none: 0.0, or the seconds until it is worth asking again.

        It waits for one call to MongoDB at most, and for none where the process holds enough or
        knows that there is no room. Raises `StoreUnavailableError` while MongoDB is away, at once
        if that is known; ValueError where ``n`` is more than the limit.
        """
        self._check(n)
        if self._at_once(n):
            return 0.0
        now = monotonic()
        early = now < self._next_call
        if self._away is not None and (early or self._caller is not None):
            raise self._away
        missing = n - self._allotment.left(now)
        if self._short is not None and early and missing > self._short.room:
            return self._short.wait(missing, now)
        taker = self._join(n, patient=False)
        try:
            return await taker.answer
        finally:
            self._leave(taker)

    def _check(self, n: int) -> None:
        if not 1 <= n <= self.budget.limit:
            raise ValueError(f"expected 1 to {self.budget.limit} grants (the limit), not {n}")

    def _at_once(self, n: int) -> bool:
        # Nobody overtakes those who wait.
        return not self._takers and self._allotment.spend(n, monotonic())

    def _join(self, n: int, *, patient: bool) -> _Taker:
        taker = _Taker(n, patient, asyncio.get_running_loop().create_future())
        self._takers.append(taker)
        if self._caller is None:
            # In no context: it serves others too, and is no part of the first one's span.
            self._caller = asyncio.create_task(self._serve(), context=contextvars.Context())
        return taker

    def _leave(self, taker: _Taker) -> None:
        if taker in self._takers:
            self._takers.remove(taker)
        taker.answer.cancel()

    async def _serve(self) -> None:
        """Call MongoDB for those who wait, until nobody does."""
        try:
            while self._takers:
                pause = self._next_call - monotonic()
                if pause > 0:
                    await asyncio.sleep(pause)
                if self._takers:
                    await self._call()
        except Exception as error:
            log.exception("rate_limit.failed", limit=self.budget.name)
            self._fail(error)
        finally:
            self._caller = None

    async def _call(self) -> None:
        asked_at = monotonic()
        ask, self._short = self._ask(asked_at), None
        self._next_call = asked_at + PAUSE
        try:
            granted = await rate_limits.take(self._db, self.budget, ask)
        except StoreUnavailableError as error:
            # Whether the call was applied is unknown: what it asked for counts until it expires.
            self._away, self._next_call = error, monotonic() + AWAY_PAUSE
            log.warning("rate_limit.unavailable", limit=self.budget.name, error=str(error))
            self._refuse(error)
            return
        self._away = None
        self._receive(granted, asked_at, ask)

    def _ask(self, at: float) -> Ask:
        """For the first taker, and those behind it that want as much."""
        each = self._takers[0].grants
        alike = itertools.takewhile(lambda taker: taker.grants == each, self._takers)
        need = min(sum(1 for _ in alike), self.budget.limit // each) * each
        self._demand.observe(self._allotment.spent + need, at, PAUSE)
        ahead = self._demand.ahead(self.budget, PAUSE)
        return Ask(need, ahead, self._allotment.settle(), each)

    def _receive(self, granted: Granted, asked_at: float, ask: Ask) -> None:
        self._allotment.receive(granted, asked_at)
        if granted.grants < ask.need:
            self._short = _Shortage(self.budget, granted, monotonic())
            if not self._short.room:
                self._next_call = max(self._next_call, self._short.look_again_at)
        self._hand_out()

    def _hand_out(self) -> None:
        """Serve in turn. A patient taker that lacks grants holds up those behind it."""
        takers, self._takers = self._takers, deque()
        held_up = False
        for taker in takers:
            now = monotonic()
            missing = taker.grants - self._allotment.left(now)
            if not held_up and self._allotment.spend(taker.grants, now):
                _answer(taker, 0.0)
            elif (
                taker.patient
                or self._short is None
                # It wants less than those that the call was for: the next one is for it.
                or (not held_up and missing <= self._short.room)
            ):
                # Without a shortage it came during the call: the next one is for it.
                held_up = held_up or taker.patient
                self._takers.append(taker)
            else:
                _answer(taker, self._short.wait(missing, now))

    def _refuse(self, error: StoreUnavailableError) -> None:
        for taker in [t for t in self._takers if not t.patient]:
            self._takers.remove(taker)
            if not taker.answer.done():
                taker.answer.set_exception(error)

    def _fail(self, error: Exception) -> None:
        takers, self._takers = self._takers, deque()
        for taker in takers:
            if not taker.answer.done():
                taker.answer.set_exception(error)


class _Shortage:
    """What a call told that brought less than was needed: when there will be room.

    ``room`` is what is free already: too little for one who asked, enough for one who wants less.
    """

    def __init__(self, budget: Budget, granted: Granted, answered_at: float) -> None:
        self._budget = budget
        self._others = booked_by_others(granted)
        self.room = max(0, budget.limit - sum(grants for _, grants in granted.bookings))
        self._last_ms = max(budget.released_ms(slot) for slot, _ in granted.bookings)
        # As if the answer had taken no time: MongoDB's clock is at least as far.
        self._epoch_ms = granted.now_ms - answered_at * 1000
        slot_seconds = budget.slot_ms / 1000
        # Sooner than bookings expire, others may give back what they do not use.
        self.look_again_at = min(self._room_at(1), answered_at + slot_seconds)

    def wait(self, missing: int, now: float) -> float:
        """Seconds until ``missing`` more grants are free, if nobody else takes them."""
        return max(self._room_at(missing - self.room) - now, self._budget.slot_ms / 1000)

    def _room_at(self, missing: int) -> float:
        room_ms = room_in_ms(self._others, self._budget, missing)
        return ((self._last_ms if room_ms is None else room_ms) - self._epoch_ms) / 1000


def _answer(taker: _Taker, wait: float) -> None:
    if not taker.answer.done():
        taker.answer.set_result(wait)
