"""When leases may expire: after an election or a gap in sweeping, not at once."""

from datetime import timedelta

from fogbell.store import sweep_state
from fogbell.store.database import Database

HOLD = timedelta(seconds=15)


async def put_back(db: Database, by: timedelta) -> None:
    """Let ``by`` pass, as far as the stored times can tell."""
    state = await db.state.find_one({"_id": "sweep"})
    assert state is not None
    fields = {name: state[name] - by for name in ("last_sweep_at", "hold_until")}
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


async def test_an_election_holds(db: Database) -> None:
    await sweep_state.observe(db, HOLD)
    await put_back(db, HOLD)
    await db.state.update_one({"_id": "sweep"}, {"$set": {"election": "another"}})
    assert await sweep_state.observe(db, HOLD) is not None
