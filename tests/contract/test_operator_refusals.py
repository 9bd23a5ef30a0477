"""What the operator says of a Campaign while MongoDB refuses it. Kubernetes is told."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast

import pytest
from tests.support.campaigns import NAME, NAMESPACE
from tests.support.locked import LockedMongo, User
from tests.support.operator import POD, campaign

from fogbell.store.database import Database, StoreRefusedError
from fogbell.store.indexes import ensure_indexes
from fogbell_operator import records
from fogbell_operator.cluster import Cluster
from fogbell_operator.metrics import OperatorMetrics
from fogbell_operator.reconciling import Reconciler, Reconciling
from fogbell_operator.records import Records
from fogbell_operator.resources import Campaign, Job, Json

GRACE = timedelta(seconds=30)
SETTINGS = Reconciling(POD, 3600, 1.0, 30.0, "operator-1")
SETTLED = {
    "type": "LastRunSucceeded",
    "status": "True",
    "reason": "Settled",
    "message": "3 delivered.",
}

Connect = Callable[..., Database]


@dataclass
class Told:
    """A cluster with one Campaign, which it is told of, and no Job."""

    there: Campaign
    identity: str = "here"
    namespace: str = NAMESPACE
    cronjobs: list[Json] = field(default_factory=list)
    events: list[tuple[str, str]] = field(default_factory=list)

    async def campaign(self, _: str) -> Campaign:
        return self.there

    async def jobs(self, _: str) -> list[Job]:
        return []

    async def cronjob(self, _: str) -> None:
        return None

    async def apply_cronjob(self, document: Json) -> None:
        self.cronjobs.append(document)

    async def apply_status(self, told: Campaign, status: Json) -> None:
        self.there = replace(told, status=status)

    async def create_event(self, document: Json) -> None:
        self.events.append((document["type"], document["reason"]))

    def said(self, kind: str) -> tuple[str, str]:
        found = self._condition(kind)
        return found["status"], found["reason"]

    def message(self, kind: str) -> str:
        return str(self._condition(kind)["message"])

    def _condition(self, kind: str) -> dict[str, Any]:
        (found,) = [c for c in self.there.status["conditions"] if c["type"] == kind]
        return dict(found)


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """`User.connect`, closed in the end."""
    opened: list[Database] = []

    def connected(user: User, password: str = "secret") -> Database:
        opened.append(user.connect(password))
        return opened[-1]

    yield connected
    for each in opened:
        each.close()


def looking(told: Told, db: Database) -> Reconciler:
    cluster = cast("Cluster", told)
    return Reconciler(cluster, Records(db, GRACE, GRACE), OperatorMetrics(), SETTINGS)


async def test_a_wrong_password_is_a_condition_of_every_campaign_that_says_what_to_change(
    locked: LockedMongo, connect: Connect
) -> None:
    told = Told(campaign())
    reconciler = looking(told, connect(locked.user("readWrite"), "wrong"))
    for _ in range(3):
        await reconciler.reconcile(NAME)
        for kind in ("Ready", "LastRunSucceeded"):
            assert told.said(kind) == ("Unknown", "MongoDBRefused")
            assert "Secret" in told.message(kind)
    assert told.cronjobs[0]["spec"]["suspend"] is False, "its runs start all the same"
    assert told.events.count(("Warning", "MongoDBRefused")) == 2, "one for each condition"


async def test_a_right_that_is_missing_is_named_and_what_was_known_of_the_last_run_stands(
    locked: LockedMongo, connect: Connect
) -> None:
    user, told = locked.user("dbAdmin"), Told(campaign(status={"conditions": [SETTLED]}))
    reconciler = looking(told, connect(user))
    await reconciler.reconcile(NAME)
    assert told.said("Ready") == ("Unknown", "MongoDBRefused")
    assert "role readWrite" in told.message("Ready")
    assert told.said("LastRunSucceeded") == ("True", "Settled")
    user.take("readWrite")
    await reconciler.reconcile(NAME)
    assert told.said("Ready") == ("True", "Scheduled")
    assert told.said("LastRunSucceeded") == ("True", "Settled")


async def test_what_nobody_could_tell_is_forgotten_once_somebody_can(
    locked: LockedMongo, connect: Connect
) -> None:
    user, told = locked.user("dbAdmin"), Told(campaign())
    reconciler = looking(told, connect(user))
    await reconciler.reconcile(NAME)
    assert told.said("LastRunSucceeded") == ("Unknown", "MongoDBRefused")
    user.take("readWrite")
    await reconciler.reconcile(NAME)
    assert told.said("LastRunSucceeded") == ("Unknown", "NoRun")


async def test_a_refusal_that_is_not_asked_for_again_stays_one(
    locked: LockedMongo, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = connect(locked.user("readWrite"), "wrong")
    shut_out = Records(db, GRACE, GRACE)
    with pytest.raises(StoreRefusedError):
        await shut_out.present()
    db.close()
    with pytest.raises(StoreRefusedError, match="code 18"):
        await shut_out.present()
    monkeypatch.setattr(records, "AWAY_SECONDS", 0.0)
    let_in = connect(locked.user("readWrite"))
    await ensure_indexes(let_in)
    assert await Records(let_in, GRACE, GRACE).open_runs(NAMESPACE) == []
