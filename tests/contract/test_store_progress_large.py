"""How far a large run is: by a summary, by pieces, or by an estimate, and never by counting all."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from tests.support.deliveries import GRACE
from tests.support.profiling import profiled
from tests.support.progress import NOTHING, as_stored, expanding, insert, made, settle

from fogbell import identity
from fogbell.identity import uuid7
from fogbell.model.notification import Progress
from fogbell.model.status import Channel, DeliveryStatus
from fogbell.store import counting, expansions, progress
from fogbell.store.database import Database
from fogbell.store.progress import Unsettled

S = DeliveryStatus
EMAIL = Channel.EMAIL


async def test_a_large_run_has_a_summary_while_it_is_expanding_and_none_of_it_after(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "EXACT_LIMIT", 20)
    notification = await expanding(db, 30)
    await insert(db, notification, S.SKIPPED, 20)
    await progress.summarise(db, notification, "token", {"email": 30})
    assert "summary" not in await as_stored(db, notification)
    await insert(db, notification, S.DEAD, 1)
    await progress.summarise(db, notification, "other", {"email": 30})
    assert "summary" not in await as_stored(db, notification)
    await progress.summarise(db, notification, "token", {"email": 30})
    await insert(db, notification, S.PENDING, 5)
    reached = await progress.progress(db, notification)
    assert reached is not None
    assert reached.totals == NOTHING | {S.SKIPPED: 20, S.DEAD: 1, S.DELIVERED: 9}
    assert reached.as_of is not None
    # It says that nothing is outstanding, which holds of a part alone.
    await expansions.finish(db, notification, "token", GRACE)
    reached = await progress.progress(db, notification)
    assert reached is not None
    assert reached.outstanding == 5


async def _answered_by_the_summary(
    db: Database, monkeypatch: pytest.MonkeyPatch, notification: UUID
) -> Progress:
    """As if nothing were settled since: then nothing is asked of the deliveries."""
    monkeypatch.setattr(progress, "FASTEST", 0)
    async with profiled(db, db.deliveries) as seen:
        reached = await progress.progress(db, notification)
    assert reached is not None
    assert reached.as_of is not None
    assert not seen
    return reached


async def test_when_a_large_expansion_ends_its_count_is_the_summary(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or all of it would be counted for each request until the next sweep."""
    monkeypatch.setattr(progress, "EXACT_LIMIT", 20)
    notification = await expanding(db, 10)
    await insert(db, notification, S.PENDING, 21)
    await insert(db, notification, S.DELIVERED, 4)
    await progress.summarise(db, notification, "token", {"email": 10})
    assert await expansions.finish(db, notification, "token", GRACE)
    reached = await _answered_by_the_summary(db, monkeypatch, notification)
    assert reached.totals == NOTHING | {S.PENDING: 21, S.DELIVERED: 4}


async def test_when_a_small_expansion_ends_it_is_counted_for_each_request(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "EXACT_LIMIT", 20)
    notification = await expanding(db, 10)
    await insert(db, notification, S.PENDING, 20)
    await insert(db, notification, S.DELIVERED, 4)
    assert await expansions.finish(db, notification, "token", GRACE)
    assert "summary" not in await as_stored(db, notification)


@pytest.mark.parametrize("status", [S.PENDING, S.DEAD])
async def test_a_request_never_counts_all_of_a_large_run(
    db: Database, monkeypatch: pytest.MonkeyPatch, status: S
) -> None:
    """Where there is no summary yet it estimates, and tells of when."""
    notification = await _slow_pieces(db, monkeypatch, status)
    monkeypatch.setattr(progress, "EXACT_LIMIT", 20)
    monkeypatch.setattr(progress, "REQUEST_SECONDS", 0.0)
    async with profiled(db, db.deliveries) as seen:
        reached = await progress.progress(db, notification)
    assert reached is not None
    assert reached.as_of is not None
    assert 300 < reached.totals[status] < 1200
    assert sum(entry["keysExamined"] for entry in seen) < 300


async def _over_the_limit(db: Database, monkeypatch: pytest.MonkeyPatch, number: int) -> UUID:
    monkeypatch.setattr(progress, "EXACT_LIMIT", 20)
    monkeypatch.setattr(progress, "REQUEST_SECONDS", 60.0)
    notification = await made(db, {"email": number + 5})
    await insert(db, notification, S.PENDING, number)
    return notification


async def test_far_above_the_limit_nothing_is_asked_of_the_deliveries(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    notification = await _over_the_limit(db, monkeypatch, 25)
    await settle(db)
    reached = await _answered_by_the_summary(db, monkeypatch, notification)
    assert reached.totals == NOTHING | {S.PENDING: 25, S.DELIVERED: 5}


async def test_a_count_that_takes_long_is_not_waited_for_where_there_is_a_summary(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    notification = await _slow_pieces(db, monkeypatch, S.PENDING)
    monkeypatch.setattr(progress, "EXACT_LIMIT", 20)
    monkeypatch.setattr(progress, "REQUEST_SECONDS", 60.0)
    monkeypatch.setattr(progress, "FASTEST", 1_000_000_000)
    await settle(db)
    await db.deliveries.update_many({}, {"$set": {"status": "delivered"}})
    exact = await progress.progress(db, notification)
    assert exact is not None
    assert (exact.totals[S.DELIVERED], exact.as_of) == (605, None)
    monkeypatch.setattr(progress, "REQUEST_SECONDS", 0.0)
    async with profiled(db, db.deliveries) as seen:
        summary = await progress.progress(db, notification)
    assert summary is not None
    assert summary.totals[S.PENDING] == 600
    assert summary.as_of is not None
    assert len(seen) == 1, "a piece"


async def test_above_the_limit_progress_is_the_sweeps_summary(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    notification = await _over_the_limit(db, monkeypatch, 21)
    before_any_sweep = await progress.progress(db, notification)
    assert before_any_sweep is not None
    assert before_any_sweep.totals[S.PENDING] == 21
    assert before_any_sweep.as_of is not None, "it may be an estimate"
    await settle(db)
    await insert(db, notification, S.DEAD, 3)
    async with profiled(db, db.deliveries) as seen:
        summary = await progress.progress(db, notification)
    assert summary is not None
    assert summary.totals == NOTHING | {S.PENDING: 21, S.DELIVERED: 5}
    assert summary.as_of is not None
    assert abs(datetime.now(UTC) - summary.as_of) < timedelta(seconds=5)
    assert not any(entry["docsExamined"] for entry in seen)


async def test_at_the_limit_progress_is_exact(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    notification = await _over_the_limit(db, monkeypatch, 21)
    await settle(db)
    await db.deliveries.update_one({"status": "pending"}, {"$set": {"status": "delivered"}})
    reached = await progress.progress(db, notification)
    assert reached is not None
    assert (reached.totals[S.PENDING], reached.totals[S.DELIVERED]) == (20, 6)
    assert reached.as_of is None


async def _slow_pieces(db: Database, monkeypatch: pytest.MonkeyPatch, status: S) -> UUID:
    """A large run of 600, in pieces of an eighth of it each."""
    monkeypatch.setattr(progress, "LARGE", 500)
    monkeypatch.setattr(counting, "FAST", 0.0)
    monkeypatch.setattr(counting, "SLOW", 60.0)
    monkeypatch.setattr(counting, "FIRST_PIECE", identity.SLICES // 8)
    notification = await made(db, {"email": 600, "inbox": 5})
    await insert(db, notification, status, 600)
    return notification


async def test_no_command_counts_more_than_a_piece_of_a_large_run(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a run of millions could never be finished, nor settled."""
    notification = await _slow_pieces(db, monkeypatch, S.PENDING)
    async with profiled(db, db.deliveries) as seen:
        counted = await counting.count_expanded(db, notification)
        assert counting.expected_of(counted) == {"email": 600}
        _, (reached,) = await settle(db)
    assert reached.totals == NOTHING | {S.PENDING: 600, S.DELIVERED: 5}
    examined = [entry["keysExamined"] for entry in seen]
    assert len(examined) == 16
    assert max(examined) < 200
    # The ids bound the scan of the index; no document is fetched for the second count.
    assert sum(examined[8:]) < 600 + 8 * len(S) * len(Channel)
    assert sum(entry["docsExamined"] for entry in seen[8:]) == 0


async def test_what_takes_too_long_to_count_is_estimated_while_anything_is_outstanding(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    notification = await _slow_pieces(db, monkeypatch, S.PENDING)
    counted = await counting.undelivered_of_large(db, notification, within=0)
    assert 300 < counted[EMAIL][S.PENDING] < 1200
    assert counted[EMAIL][S.PENDING] % 8 == 0


async def test_totals_are_never_frozen_by_an_estimate(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    notification = await _slow_pieces(db, monkeypatch, S.DEAD)
    counted = await counting.undelivered_of_large(db, notification, within=0)
    assert counted == {EMAIL: {S.DEAD: 600}}


def test_large_runs_are_looked_at_alone() -> None:
    sizes = [1, 2, progress.BATCH + 1, 3, progress.BATCH - 3, 1]
    candidates = [Unsettled(uuid7(), {"email": size}) for size in sizes]
    seen = [[sum(c.expected_by_channel.values()) for c in b] for b in progress.batches(candidates)]
    assert seen == [sizes[:2], sizes[2:3], sizes[3:5], sizes[5:]]
    assert list(progress.batches([])) == []
