"""What sweeps leave in MongoDB for metrics, and how it is shown."""

from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry

from fogbell.model.endpoint import EventType
from fogbell.model.status import Channel, DeliveryStatus, Lane
from fogbell.store import sweep_figures
from fogbell.store.database import Database
from fogbell.store.sweep_figures import SweepFigures
from fogbell_intake.sweeps import SweepCollector
from fogbell_retry.metrics import RetryMetrics

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
EMAIL, SMS = (Channel.EMAIL, Lane.BULK), (Channel.SMS, Lane.TRANSACTIONAL)


async def shown(db: Database, now: datetime = NOON) -> CollectorRegistry:
    """A registry that shows what the database has."""
    registry, sweeps = CollectorRegistry(), SweepCollector()
    registry.register(sweeps)
    sweeps.show(await sweep_figures.read(db), lambda: now)
    return registry


async def test_nothing_is_known_before_the_first_sweep(db: Database) -> None:
    assert await sweep_figures.read(db) == SweepFigures()
    assert [s for family in (await shown(db)).collect() for s in family.samples] == []


async def test_what_several_processes_have_done_adds_up(db: Database) -> None:
    for released in (3, 4):
        metrics = RetryMetrics()
        metrics.released("retry_due", released)
        metrics.called_back(EventType.DELIVERY_SETTLED, 2)
        metrics.swept(settled=1, purged=0)
        await sweep_figures.add(db, metrics.take(), NOON, {})
    value = (await shown(db)).get_sample_value
    assert value("fogbell_sweep_released_total", {"reason": "retry_due"}) == 7
    assert value("fogbell_sweep_released_total", {"reason": "replay"}) == 0
    assert value("fogbell_callbacks_created_total", {"event": "delivery.settled"}) == 4
    assert value("fogbell_sweeps_total", {"outcome": "done"}) == 2
    assert value("fogbell_notifications_settled_total") == 2
    assert value("fogbell_sweep_last_timestamp_seconds") == NOON.timestamp()


async def test_what_is_overdue_grows_older_while_nobody_sweeps(db: Database) -> None:
    due = NOON - timedelta(seconds=30)
    await sweep_figures.add(db, {}, NOON, {EMAIL: due, SMS: None})
    for later in (0, 600):
        value = (await shown(db, NOON + timedelta(seconds=later))).get_sample_value
        labels = [{"channel": str(channel), "lane": str(lane)} for channel, lane in (EMAIL, SMS)]
        ages = [value("fogbell_oldest_outstanding_seconds", each) for each in labels]
        assert ages == [30 + later, 0]


async def test_a_sweep_replaces_what_the_one_before_it_left(db: Database) -> None:
    await sweep_figures.add(db, {}, NOON, {EMAIL: NOON})
    await sweep_figures.add(db, {}, NOON, {EMAIL: None})
    assert (await sweep_figures.read(db)).due_since == {EMAIL: None}


async def test_what_is_outstanding_is_shown_by_status(db: Database) -> None:
    await sweep_figures.note_outstanding(db, {DeliveryStatus.PENDING: 5, DeliveryStatus.FAILED: 0})
    value = (await shown(db)).get_sample_value
    assert value("fogbell_outstanding", {"status": "pending"}) == 5
    assert value("fogbell_outstanding", {"status": "failed"}) == 0


def test_a_tally_that_could_not_be_kept_is_kept_with_the_next() -> None:
    metrics = RetryMetrics()
    metrics.failed()
    taken = metrics.take()
    metrics.failed()
    metrics.give_back(taken)
    assert metrics.take()["sweeps_failed"] == 2
    assert metrics.take()["sweeps_failed"] == 0
