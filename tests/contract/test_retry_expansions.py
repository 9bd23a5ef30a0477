"""What is due to be expanded is queued as far as there is room, and not again while it waits."""

import pytest
from tests.support.broker import publishing, waiting_in
from tests.support.deliveries import GRACE
from tests.support.notifications import new_notification
from tests.support.queues import purge
from tests.support.sweepers import brokerless, sweeper_of

from fogbell.broker import Topology
from fogbell.model.notification import Audience
from fogbell.model.status import Lane, NotificationStatus
from fogbell.store import notifications
from fogbell.store.database import Database
from fogbell.store.notifications import Accept
from fogbell_retry import sweep

ROOM = 3


async def _due(db: Database, number: int) -> None:
    """Scheduled notifications whose time has come."""
    now = db.clock.now()
    for _ in range(number):
        run = new_notification(created_at=now, lane=Lane.BULK, audience=Audience(groups=("a",)))
        accept = Accept(run, [], now - GRACE, NotificationStatus.SCHEDULED)
        await notifications.accept(db, [accept], GRACE)


async def _make_due(db: Database) -> None:
    await db.notifications.update_many({}, [{"$set": {"sweep_at": "$$NOW"}}])


async def test_what_waits_to_be_expanded_is_not_queued_once_more(
    db: Database, rabbit_uri: str, topology: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "EXPANSIONS", ROOM)
    await _due(db, 5)
    async with publishing(rabbit_uri, topology) as publisher:
        sweeper = sweeper_of(db, publisher, topology, enough=500)
        assert (await sweeper.sweep()).expansions == ROOM
        await _make_due(db)
        assert (await sweeper.sweep()).expansions == 0
        assert await waiting_in(rabbit_uri, topology.expansion) == ROOM
        # As a broker that has lost them, or workers that have done them.
        await purge(rabbit_uri, topology.expansion)
        assert (await sweeper.sweep()).expansions == ROOM


async def test_an_expansion_is_due_at_once_when_the_broker_is_back(db: Database) -> None:
    await _due(db, 1)
    assert (await brokerless(db).sweep()).expansions == 0
    (stored,) = await db.notifications.find({}).to_list(None)
    assert stored["sweep_at"] <= db.clock.now()
