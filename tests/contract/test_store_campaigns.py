"""The runs of Campaigns as the operator reads them, and which of them go on."""

from datetime import timedelta
from uuid import UUID

from tests.support.notifications import new_notification
from tests.support.profiling import profiled

from fogbell.identity import uuid7
from fogbell.model.notification import Origin, OriginType
from fogbell.model.status import NotificationStatus
from fogbell.store import campaigns, cancelling
from fogbell.store.database import Database
from fogbell.store.indexes import OPEN_RUNS
from fogbell.store.notifications import Accept, accept

GRACE = timedelta(seconds=30)


async def begin(
    db: Database,
    app: str = "shop/nightly",
    uid: str = "uid-1",
    origin: OriginType = OriginType.CAMPAIGN,
) -> UUID:
    """A run that has begun, and is to be expanded."""
    now = db.clock.now()
    notification = new_notification(
        origin=Origin(origin, app),
        created_at=now,
        metadata={"uid": uid, "scheduled_for": "2026-12-01T12:00:00Z"},
    )
    post = Accept(notification, (), now + GRACE, NotificationStatus.EXPANDING)
    await accept(db, [post], GRACE)
    return notification.id


async def test_runs_are_read_by_their_ids_and_those_that_are_none_are_left_out(
    db: Database,
) -> None:
    run = await begin(db)
    found = await campaigns.runs(db, [run, uuid7()])
    assert found.keys() == {run}
    assert found[run].scheduled_for == "2026-12-01T12:00:00Z"
    assert found[run].settled_at is None


async def test_only_runs_of_this_namespaces_campaigns_are_open_runs(db: Database) -> None:
    run = await begin(db)
    for app in ("shopping/nightly", "sho/nightly", "shop0/nightly"):
        await begin(db, app)
    await begin(db, origin=OriginType.API)
    (found,) = await campaigns.open_runs(db, "shop")
    assert (found.id, found.campaign, found.uid) == (run, "nightly", "uid-1")
    assert found.replayed is False


async def test_what_is_cancelled_or_settled_is_open_no_more(db: Database) -> None:
    cancelled, settled = await begin(db), await begin(db)
    assert await cancelling.mark(db, cancelled, GRACE)
    await db.notifications.update_one(
        {"_id": settled}, {"$set": {"settled_at": db.clock.now()}, "$unset": {"sweep_at": ""}}
    )
    assert await campaigns.open_runs(db, "shop") == []


async def test_the_search_for_open_runs_reads_those_alone_however_much_is_scheduled(
    db: Database,
) -> None:
    """What others have scheduled, runs of other namespaces, and runs that are over."""
    for _ in range(3):
        done = await begin(db)
        await db.notifications.update_one({"_id": done}, {"$unset": {"sweep_at": ""}})
        await begin(db, "other/nightly")
    scheduled = [
        {
            "_id": uuid7(),
            "origin": {"type": "api", "app": "shop/nightly"},
            "sweep_at": db.clock.now(),
        }
        for _ in range(500)
    ]
    await db.notifications.insert_many(scheduled)
    runs = {await begin(db) for _ in range(5)}
    async with profiled(db, db.notifications) as entries:
        found = await campaigns.open_runs(db, "shop")
    assert {run.id for run in found} == runs
    (read,) = entries
    assert read["keysExamined"] <= len(runs) + 1
    assert read["docsExamined"] == len(runs)


async def test_what_is_no_run_pays_nothing_for_the_search(db: Database) -> None:
    """Nor does a run, once it is settled."""
    for origin in OriginType:
        await begin(db, origin=origin)
    over = await begin(db)
    await db.notifications.update_one({"_id": over}, {"$unset": {"sweep_at": ""}})
    checked = await db.handle.command("validate", "notifications")
    assert checked["keysPerIndex"][OPEN_RUNS] == 1


async def test_while_its_index_is_still_to_be_built_they_are_found_all_the_same(
    db: Database,
) -> None:
    """As after an upgrade, when a Campaign may be deleted too."""
    await begin(db)
    await db.notifications.drop_index(OPEN_RUNS)
    assert len(await campaigns.open_runs(db, "shop")) == 1


async def test_a_run_that_was_replayed_says_so(db: Database) -> None:
    run = await begin(db)
    await db.notifications.update_one({"_id": run}, {"$set": {"replays": 1}})
    (found,) = await campaigns.open_runs(db, "shop")
    assert found.replayed
