"""When leases may expire: after an election or a gap in sweeping, not at once."""

from datetime import timedelta

import pytest

from fogbell.store import sweep_state
from fogbell.store.database import Database

HOLD = timedelta(seconds=15)


async def put_back(db: Database, by: timedelta) -> None:
    """Let ``by`` pass, as far as the stored times can tell."""
    state = await db.state.find_one({"_id": "sweep"})
    assert state is not None
    times = ("last_sweep_at", "hold_until", "rest_until")
    fields = {name: state[name] - by for name in times if name in state}
    await db.state.update_one({"_id": "sweep"}, {"$set": fields})


async def test_the_first_sweep_holds(db: Database) -> None:
    assert await sweep_state.observe(db, HOLD) is not None


async def test_a_hold_ends_and_does_not_begin_another(db: Database) -> None:
    await sweep_state.observe(db, HOLD)
    # A single sweep waits the hold out and sweeps again: as long a pause as a gap would be.
    await put_back(db, HOLD + timedelta(milliseconds=50))
    assert await sweep_state.observe(db, HOLD) is None


async def test_a_gap_in_sweeping_holds(db: Database) -> None:
    await sweep_state.observe(db, HOLD)
    await put_back(db, HOLD * 2 + timedelta(seconds=1))
    assert await sweep_state.observe(db, HOLD) is not None


async def test_a_sweep_that_takes_long_is_no_gap(db: Database) -> None:
    await sweep_state.observe(db, HOLD)
    await put_back(db, HOLD * 3)
    await sweep_state.finished(db)
    assert await sweep_state.observe(db, HOLD) is None


@pytest.mark.parametrize(("late", "held"), [(0, False), (10, False), (14, False), (16, True)])
async def test_only_what_exceeds_an_announced_rest_is_a_gap(
    db: Database, late: int, held: bool
) -> None:
    """A window ends at second 50 or later, and the next Job may start some seconds late."""
    rest = timedelta(seconds=10)
    await sweep_state.observe(db, timedelta(0))
    await sweep_state.finished(db, rest_until=db.clock.now() + rest)
    await put_back(db, rest + timedelta(seconds=late))
    assert (await sweep_state.observe(db, HOLD) is not None) == held


async def test_a_rest_that_is_over_hides_no_later_gap(db: Database) -> None:
    await sweep_state.observe(db, timedelta(0))
    await sweep_state.finished(db, rest_until=db.clock.now() + HOLD)
    await put_back(db, HOLD + timedelta(seconds=1))
    assert await sweep_state.observe(db, HOLD) is None
    await put_back(db, HOLD + timedelta(seconds=1))
    assert await sweep_state.observe(db, HOLD) is not None


async def test_an_election_holds(db: Database) -> None:
    await sweep_state.observe(db, HOLD)
    await put_back(db, HOLD)
    await db.state.update_one({"_id": "sweep"}, {"$set": {"election": "another"}})
    assert await sweep_state.observe(db, HOLD) is not None
