"""What sweeps leave in MongoDB for metrics, and how it is shown."""

from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry
from tests.support.deliveries import insert_pending
from tests.support.sweepers import brokerless

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
        metrics.unclaimed(*SMS, 1)
        metrics.swept(settled=1, purged=0)
        await sweep_figures.add(db, f"batch {released}", metrics.take(), NOON, {})
    value = (await shown(db)).get_sample_value
    assert value("fogbell_sweep_released_total", {"reason": "retry_due"}) == 7
    assert value("fogbell_sweep_released_total", {"reason": "replay"}) == 0
    assert value("fogbell_callbacks_created_total", {"event": "delivery.settled"}) == 4
    labels = {"channel": "sms", "lane": "transactional"}
    assert value("fogbell_sweep_unclaimed_total", labels) == 2
    assert value("fogbell_sweeps_total", {"outcome": "done"}) == 2
    assert value("fogbell_notifications_settled_total") == 2
    assert value("fogbell_sweep_last_timestamp_seconds") == NOON.timestamp()


async def test_what_is_overdue_grows_older_while_nobody_sweeps(db: Database) -> None:
    due = NOON - timedelta(seconds=30)
    await sweep_figures.add(db, "1", {}, NOON, {EMAIL: due, SMS: None})
    for later in (0, 600):
        value = (await shown(db, NOON + timedelta(seconds=later))).get_sample_value
        labels = [{"channel": str(channel), "lane": str(lane)} for channel, lane in (EMAIL, SMS)]
        ages = [value("fogbell_oldest_outstanding_seconds", each) for each in labels]
        assert ages == [30 + later, 0]


async def test_a_sweep_replaces_what_the_one_before_it_left(db: Database) -> None:
    await sweep_figures.add(db, "1", {}, NOON, {EMAIL: NOON})
    await sweep_figures.add(db, "2", {}, NOON, {EMAIL: None})
    assert (await sweep_figures.read(db)).due_since == {EMAIL: None}


async def test_what_is_outstanding_is_shown_by_status(db: Database) -> None:
    await sweep_figures.note_outstanding(db, {DeliveryStatus.PENDING: 5, DeliveryStatus.FAILED: 0})
    value = (await shown(db)).get_sample_value
    assert value("fogbell_outstanding", {"status": "pending"}) == 5
    assert value("fogbell_outstanding", {"status": "failed"}) == 0


async def test_a_batch_counts_once_however_often_it_is_added(db: Database) -> None:
    for batch in ("1", "1", "2", "1"):
        await sweep_figures.add(db, batch, {"settled": 5}, NOON, {})
    assert (await sweep_figures.read(db)).counts == {"settled": 10}


async def test_words_of_another_version_are_passed_over(db: Database) -> None:
    await sweep_figures.add(db, "1", {"released_by_hand": 1}, NOON, {EMAIL: None})
    strange = {"due_since.pigeon.bulk": NOON, "due_since.email.express": NOON}
    await db.state.update_one(
        {"_id": "sweep_figures"}, {"$set": {**strange, "outstanding.lost": 1}}
    )
    assert (await sweep_figures.read(db)).due_since == {EMAIL: None}
    value = (await shown(db)).get_sample_value
    assert value("fogbell_sweep_released_total", {"reason": "by_hand"}) == 1


async def test_who_cannot_read_them_shows_no_age(db: Database) -> None:
    await sweep_figures.add(db, "1", {"settled": 5}, NOON, {EMAIL: NOON})
    registry, sweeps = CollectorRegistry(), SweepCollector()
    registry.register(sweeps)
    sweeps.show(await sweep_figures.read(db), lambda: NOON)
    sweeps.lose_sight()
    labels = {"channel": "email", "lane": "bulk"}
    assert registry.get_sample_value("fogbell_oldest_outstanding_seconds", labels) is None
    assert registry.get_sample_value("fogbell_notifications_settled_total") == 5


def test_a_tally_begins_anew_once_it_is_taken() -> None:
    metrics = RetryMetrics()
    metrics.failed()
    assert [metrics.take()["sweeps_failed"] for _ in range(2)] == [1, 0]


async def test_what_was_due_is_told_by_the_sweep(db: Database) -> None:
    later, overdue = await insert_pending(db, 2)
    due = db.clock.now() - timedelta(seconds=90)
    await db.deliveries.update_one({"_id": overdue}, {"$set": {"sweep_at": due}})
    ahead = db.clock.now() + timedelta(seconds=90)
    await db.deliveries.update_one({"_id": later}, {"$set": {"sweep_at": ahead}})
    found = await brokerless(db).due_since()
    assert [since for since in found.values() if since] == [due]
