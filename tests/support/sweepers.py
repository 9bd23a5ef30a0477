"""Sweepers for tests, one sweep at a time."""

from datetime import timedelta

from tests.support.deliveries import GRACE

from fogbell.broker import Publisher, Topology
from fogbell.model.status import Lane
from fogbell.store.database import Database
from fogbell_retry.metrics import RetryMetrics
from fogbell_retry.sweep import Sweeper, SweepSettings

HOLD = timedelta(seconds=15)


def sweeper_of(db: Database, publisher: Publisher, topology: Topology, enough: int) -> Sweeper:
    """A sweeper that leaves a queue alone which holds ``enough`` messages."""
    settings = SweepSettings(
        grace=GRACE,
        grace_cap=GRACE,
        hold=HOLD,
        lost_leases_limit=3,
        enough=dict.fromkeys(Lane, enough),
        settle_pause=GRACE,
        settle_pause_cap=GRACE,
        keep=timedelta(days=30),
    )
    return Sweeper(db, publisher, topology, settings, RetryMetrics())


def brokerless(db: Database) -> Sweeper:
    """A sweeper that reaches no broker."""
    publisher = Publisher("amqp://127.0.0.1:1/", Topology(), name="test", count=lambda *_: None)
    return sweeper_of(db, publisher, Topology(), enough=500)
