"""Shared rate limits against a real MongoDB: never more than the limit, in any window."""

import asyncio
import bisect
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic

import pytest
from tests.support.profiling import profiled
from tests.support.spans import spans_kept
from tests.support.waiting import eventually

from fogbell.limiting import Limiter, limiter
from fogbell.limiting.allotment import Allotment
from fogbell.model.rate_limit import SLOTS, Ask, Budget, Granted
from fogbell.store import rate_limits
from fogbell.store.database import Database, StoreUnavailableError
from fogbell.telemetry import traces
from fogbell.telemetry.lineage import Lineage
from fogbell_local.servers import MongoServer

Times = list[float]


@contextlib.asynccontextmanager
async def replicas(uri: str, name: str, count: int = 3) -> AsyncIterator[list[Database]]:
    """A database handle each, as processes have."""
    handles = [Database(uri, name) for _ in range(count)]
    yield handles
    for handle in handles:
        handle.close()


async def _take_all(limiters: list[Limiter], seconds: float, takers: int = 50) -> Times:
    """When each grant was given to one of ``takers`` a limiter."""
    given: Times = []
    end = monotonic() + seconds

    async def taker(one: Limiter) -> None:
        while (left := end - monotonic()) > 0:
            if await one.acquire(timeout=left):
                given.append(monotonic())
                await asyncio.sleep(0)

    await asyncio.gather(*(taker(one) for one in limiters for _ in range(takers)))
    return sorted(given)


@pytest.fixture
def spent(monkeypatch: pytest.MonkeyPatch) -> Times:
    """When each grant was used; who waited for it may hear of it later."""
    times = Times()
    spend = Allotment.spend

    def noted(self: Allotment, grants: int, at: float) -> bool:
        done = spend(self, grants, at)
        times.extend([at] * grants if done else [])
        return done

    monkeypatch.setattr(Allotment, "spend", noted)
    return times


def _most_within(given: Times, window: float) -> int:
    return max(bisect.bisect_left(given, at + window) - i for i, at in enumerate(given))


@pytest.fixture
def lone(db: Database) -> Callable[[int, float], Limiter]:
    return lambda limit, window: Limiter(db, "lone", limit, window)


async def test_a_call_for_several_takers_is_in_the_span_of_none(
    lone: Callable[[int, float], Limiter], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = list[object]()
    take = rate_limits.take

    async def heard(db: Database, budget: Budget, ask: Ask) -> Granted:
        seen.append(traces.here())
        return await take(db, budget, ask)

    monkeypatch.setattr(rate_limits, "take", heard)
    with spans_kept(), traces.span("first", Lineage()):
        assert await lone(5, 1.0).acquire(timeout=5)
    assert seen == [None]


async def test_many_takers_in_three_replicas_never_exceed_the_limit_and_use_it_up(
    mongo_uri: str, db: Database, spent: Times
) -> None:
    async with replicas(mongo_uri, db.handle.name) as handles:
        limiters = [Limiter(handle, "shared", 200, 0.5) for handle in handles]
        given = await _take_all(limiters, 4.0)
    # A millisecond less than the window: the test's clock and MongoDB's are read apart.
    assert _most_within(sorted(spent), 0.499) <= 200
    # Each 0.525 s from the first on; a loaded machine may come too late for two of the eight.
    assert 1200 <= len(given) <= 1600


async def test_a_lone_replica_gets_the_whole_limit(
    lone: Callable[[int, float], Limiter],
) -> None:
    given = await _take_all([lone(200, 30.0)], 3.0)
    assert len(given) == 200


async def test_the_writes_of_a_replica_do_not_grow_with_the_rate(db: Database) -> None:
    began = monotonic()
    async with profiled(db, db.rate_limits) as entries:
        given = await _take_all([Limiter(db, "fast", 20_000, 1.0)], 3.0)
    took = monotonic() - began
    assert len(given) >= 15_000
    assert len(entries) <= took / limiter.PAUSE + 1


async def test_a_replica_far_below_the_limit_asks_once_for_many(db: Database) -> None:
    quiet = Limiter(db, "quiet", 1000, 10.0)
    async with profiled(db, db.rate_limits) as entries:
        assert [await quiet.try_acquire() for _ in range(11)] == [0.0] * 11
    assert len(entries) == 1


async def test_grants_that_one_replica_does_not_use_are_few(mongo_uri: str, db: Database) -> None:
    async with replicas(mongo_uri, db.handle.name) as handles:
        for handle in handles[1:]:
            assert await Limiter(handle, "shared", 200, 60.0).try_acquire() == 0.0
        given = await _take_all([Limiter(handles[0], "shared", 200, 60.0)], 3.0)
    # Two each for the others: one used, and a hundredth ahead.
    assert len(given) >= 194


async def test_a_replica_that_asks_again_gives_back_what_it_did_not_use(db: Database) -> None:
    budget = Budget("b", 100, 60.0)
    first = await rate_limits.take(db, budget, Ask(50, 0))
    assert first.grants == 50
    used = (budget.slot(first.now_ms), 10)
    second = await rate_limits.take(db, budget, Ask(100, 0, ((first.booked, -50), used)))
    assert second.grants == 90
    assert sum(n for _, n in second.bookings) == 100


async def test_what_is_taken_back_twice_frees_nothing_more(db: Database) -> None:
    """A lost document, or a booking that has expired: a settlement finds nothing to lower."""
    budget = Budget("b", 100, 60.0)
    granted = await rate_limits.take(db, budget, Ask(1, 0, ((10, -50),)))
    assert granted.bookings == ((granted.booked, 1),)
    granted = await rate_limits.take(db, budget, Ask(100, 0, ((granted.booked, -50),)))
    assert granted.grants == 100


async def test_only_a_part_of_what_is_left_is_given_ahead_of_need(db: Database) -> None:
    budget = Budget("b", 100, 60.0)
    assert (await rate_limits.take(db, budget, Ask(20, 100))).grants == 20 + 80 // 4
    assert (await rate_limits.take(db, budget, Ask(70, 100))).grants == 60


async def test_a_booking_of_a_primary_with_a_fast_clock_does_not_close_the_budget(
    db: Database,
) -> None:
    budget = Budget("b", 10, 1.0)
    granted = await rate_limits.take(db, budget, Ask(10))
    an_hour_ahead = [{"slot": granted.booked + 3600 * SLOTS, "n": 10}]
    await db.rate_limits.update_one({}, {"$set": {"bookings": an_hour_ahead}})
    assert (await rate_limits.take(db, budget, Ask(10))).grants == 10


async def test_a_refusal_writes_nothing(db: Database) -> None:
    budget = Budget("b", 10, 60.0)
    await rate_limits.take(db, budget, Ask(10))
    await rate_limits.take(db, budget, Ask(1))
    before = await db.rate_limits.find_one({})
    assert (await rate_limits.take(db, budget, Ask(1))).grants == 0
    assert await db.rate_limits.find_one({}) == before


async def test_the_record_stays_small_and_expires(db: Database) -> None:
    budget = Budget("b", 1000, 0.1)
    for _ in range(100):
        await rate_limits.take(db, budget, Ask(1))
    document = await db.rate_limits.find_one({})
    assert document is not None
    assert len(document["bookings"]) <= budget.hold_slots + SLOTS + 2
    assert "expires_at" in document
    indexes = await db.rate_limits.index_information()
    assert indexes["expires_at"]["expireAfterSeconds"] == 0


async def test_a_refusal_says_honestly_when_there_is_room(
    lone: Callable[[int, float], Limiter],
) -> None:
    one = lone(10, 0.5)
    began = monotonic()
    assert await one.try_acquire(10) == 0.0
    first = monotonic() - began
    wait = await one.try_acquire(3)
    # Within half a second of the first, by whichever moment of its call; and a slot.
    assert 0.5 - (monotonic() - began) < wait < 0.53 + first
    await asyncio.sleep(wait)
    assert await one.try_acquire(3) == 0.0


async def test_refusals_cost_a_call_now_and_then_and_not_one_each(db: Database) -> None:
    one = Limiter(db, "b", 10, 10.0)
    await one.try_acquire(10)
    async with profiled(db, db.rate_limits) as entries:
        waits = [await one.try_acquire() for _ in range(1000)]
    assert all(wait > 0 for wait in waits)
    assert len(entries) <= 3


async def test_more_than_the_limit_is_refused_as_a_mistake(
    lone: Callable[[int, float], Limiter],
) -> None:
    for n in (0, 11):
        with pytest.raises(ValueError, match="1 to 10"):
            await lone(10, 1.0).acquire(n, timeout=1)
        with pytest.raises(ValueError, match="1 to 10"):
            await lone(10, 1.0).try_acquire(n)


async def test_who_waits_longest_is_served_first_however_much_he_wants(
    lone: Callable[[int, float], Limiter],
) -> None:
    one = lone(10, 0.3)
    assert await one.acquire(10, timeout=1)
    served: list[int] = []

    async def want(n: int) -> None:
        assert await one.acquire(n, timeout=5)
        served.append(n)

    async with asyncio.TaskGroup() as group:
        for n in (9, 1, 2):
            group.create_task(want(n))
    assert served == [9, 1, 2]


async def test_who_gives_up_takes_no_grant_along(
    lone: Callable[[int, float], Limiter],
) -> None:
    one = lone(10, 0.5)
    assert await one.acquire(10, timeout=1)
    assert not await one.acquire(10, timeout=0.05)
    assert await one.acquire(10, timeout=2)


async def test_limits_of_other_names_are_counted_apart(db: Database) -> None:
    for name in ("a", "b"):
        assert await Limiter(db, name, 1, 60.0).try_acquire() == 0.0


async def test_without_mongodb_waiting_goes_on_and_asking_fails_at_once(
    own_mongo: MongoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "CALL_TIMEOUT", 30.0)  # the first connects, and makes much
    db = Database(own_mongo.uri, "limits")
    one = Limiter(db, "b", 10, 0.5)
    assert await one.try_acquire(10) == 0.0
    monkeypatch.setattr(rate_limits, "CALL_TIMEOUT", 0.3)
    own_mongo.kill()
    # What was granted before is used up before anything is asked.
    await eventually(_raises(one))
    began = monotonic()
    with pytest.raises(StoreUnavailableError):
        await one.try_acquire()
    assert monotonic() - began < 0.2
    waiting = asyncio.create_task(one.acquire(timeout=30))
    assert not await one.acquire(timeout=0.2)
    own_mongo.restart()
    assert await waiting
    db.close()


def _raises(one: Limiter) -> Callable[[], Awaitable[bool]]:
    async def unavailable() -> bool:
        try:
            await one.try_acquire()
        except StoreUnavailableError:
            return True
        return False

    return unavailable


async def test_all_of_a_limit_is_had_whichever_replica_is_asked_each_time(
    mongo_uri: str, db: Database
) -> None:
    """What is refused holds nothing: of two asked in turn each kept a part, for ever."""
    async with replicas(mongo_uri, db.handle.name, 2) as handles:
        limiters = [Limiter(handle, "whole", 10, 0.4) for handle in handles]
        assert await limiters[0].try_acquire(3) == 0.0
        for refusals in range(4):
            wait = await limiters[(refusals + 1) % 2].try_acquire(10)
            if not wait:
                break
            await asyncio.sleep(wait + 0.01)
    assert wait == 0.0


async def test_a_refusal_of_many_leaves_the_rest_to_those_who_want_less(
    mongo_uri: str, db: Database
) -> None:
    async with replicas(mongo_uri, db.handle.name, 2) as handles:
        here, there = (Limiter(handle, "rest", 10, 60.0) for handle in handles)
        assert await here.try_acquire(6) == 0.0
        assert await there.try_acquire(8) > 1
        async with profiled(db, db.rate_limits) as entries:
            assert await there.try_acquire(8) > 1
        assert not any(entry.get("nModified") for entry in entries)
        asked = [
            here.try_acquire(5),
            there.try_acquire(1),
            there.try_acquire(5),
            here.try_acquire(1),
        ]
        waits = await asyncio.gather(*asked)
        assert [wait == 0.0 for wait in waits] == [False, True, False, True]
        assert [await one.try_acquire(1) for one in (here, there)] == [0.0, 0.0]
        assert await here.try_acquire(1) > 1
