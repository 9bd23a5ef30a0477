"""Which runs the operator cancels, and that no other is: MongoDB is real, Kubernetes is told."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import cast
from uuid import UUID

import pytest
from tests.support.campaigns import NAME, NAMESPACE
from tests.support.locked import LockedMongo
from tests.support.notifications import new_notification
from tests.support.operator import UID, campaign
from tests.support.waiting import eventually

from fogbell.model.notification import Origin, OriginType
from fogbell.model.status import NotificationStatus
from fogbell.store.database import Database
from fogbell.store.indexes import ensure_indexes
from fogbell.store.notifications import Accept, accept
from fogbell_operator import deletions as module
from fogbell_operator.cluster import Cluster
from fogbell_operator.deletions import Deletions
from fogbell_operator.metrics import OperatorMetrics
from fogbell_operator.records import Records
from fogbell_operator.resources import Campaign

GRACE = timedelta(seconds=30)
OTHER = "6f1c0f4e-0002-4000-8000-000000000002"


@dataclass(frozen=True)
class Told:
    """A cluster whose Campaigns are as they are told."""

    identity: str = "here"
    namespace: str = NAMESPACE
    there: Mapping[str, Campaign] = field(default_factory=dict)

    async def campaign(self, name: str) -> Campaign | None:
        return self.there.get(name)


async def begin(db: Database, **told: str) -> UUID:
    """A run that goes on; ``told`` as its runner wrote it."""
    now = db.clock.now()
    made = new_notification(
        origin=Origin(OriginType.CAMPAIGN, f"{NAMESPACE}/{NAME}"),
        created_at=now,
        metadata={"uid": UID, **told},
    )
    await accept(db, [Accept(made, (), now + GRACE, NotificationStatus.EXPANDING)], GRACE)
    return made.id


def deletions(db: Database, told: Told) -> Deletions:
    records = Records(db, GRACE, GRACE)
    return Deletions(cast("Cluster", told), records, OperatorMetrics())


async def cancelled(db: Database, *runs: UUID) -> list[bool]:
    found = [await db.notifications.find_one({"_id": run}) or {} for run in runs]
    return ["cancelled_at" in document for document in found]


async def compare(db: Database, told: Told, *listed: Campaign) -> None:
    work = deletions(db, told)
    open_runs = await work.open_runs()
    assert open_runs
    await work.compare(open_runs, listed)


async def test_a_run_of_another_cluster_that_shares_the_database_is_let_be(db: Database) -> None:
    """Its namespace has the same name, and its Campaign is not to be found here."""
    ours, theirs, older = (
        await begin(db, cluster="here"),
        await begin(db, cluster="there"),
        await begin(db),
    )
    await compare(db, Told())
    assert await cancelled(db, ours, theirs, older) == [True, False, True]


async def test_a_status_that_shows_another_campaigns_run_cancels_none_of_it(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have been restored from a backup, with its old status."""
    monkeypatch.setattr(module, "LOOKS", (0.0,))
    own, others = await begin(db), await begin(db, uid=OTHER)
    work = deletions(db, Told())
    work.deleted(campaign(status={"lastRun": {"id": str(others)}}))
    await eventually(lambda: len(asyncio.all_tasks()) == 1)
    assert await cancelled(db, own, others) == [True, False]


async def test_a_list_that_came_out_short_cancels_nothing(db: Database) -> None:
    run = await begin(db, cluster="here")
    await compare(db, Told(there={NAME: campaign()}))
    assert await cancelled(db, run) == [False]


async def test_a_run_of_an_earlier_campaign_of_the_name_is_cancelled(db: Database) -> None:
    earlier, own = await begin(db, cluster="here", uid=OTHER), await begin(db, cluster="here")
    await compare(db, Told(there={NAME: campaign()}), campaign())
    assert await cancelled(db, earlier, own) == [True, False]


async def test_a_run_that_may_not_be_cancelled_keeps_no_campaign_from_being_looked_at(
    locked: LockedMongo,
) -> None:
    """The next resync cancels it, once MongoDB lets the operator write."""
    owner = locked.user("readWrite")
    operator = locked.user("read", owner.database)
    db, shut_out = owner.connect(), operator.connect()
    await ensure_indexes(db)
    run = await begin(db, cluster="here")
    await compare(shut_out, Told())
    assert await cancelled(db, run) == [False]
    operator.take("readWrite")
    await compare(shut_out, Told())
    assert await cancelled(db, run) == [True]
    for each in (db, shut_out):
        each.close()
