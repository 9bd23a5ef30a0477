"""MongoDB refuses who asks: one kind of error, that says what to change and quotes nothing."""

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from pymongo.errors import OperationFailure
from tests.support.deliveries import GRACE, LEASE, attempt, claim_all, insert_pending, new_delivery
from tests.support.locked import LockedMongo, User
from tests.support.notifications import new_notification
from tests.support.waiting import eventually

from fogbell.model.status import Cause, NotificationStatus
from fogbell.policy import Verdict
from fogbell.store import claims, database, deliveries, notifications, recipients
from fogbell.store.database import Database, StoreRefusedError, StoreUnavailableError, refusal
from fogbell.store.indexes import ensure_indexes
from fogbell.store.notifications import Accept
from fogbell.store.presence import Presence
from fogbell.store.records import Record, record
from fogbell_local.servers import MongoServer

LIMIT_MS = 1_500
"""How long an operation may take in these tests."""

Connect = Callable[..., Database]


@pytest.fixture
async def connect(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connect]:
    """`User.connect`, or a `Database` of one's own; closed in the end."""
    monkeypatch.setattr(database, "OPERATION_TIMEOUT_MS", LIMIT_MS)
    opened: list[Database] = []

    def connected(user: User | str, password: str = "secret") -> Database:
        found = Database(user, "own") if isinstance(user, str) else user.connect(password)
        opened.append(found)
        return found

    yield connected
    for each in opened:
        each.close()


async def refused(call: Awaitable[object]) -> int:
    """The code with which ``call`` is refused."""
    with pytest.raises(StoreRefusedError) as caught:
        await call
    return caught.value.code


async def answered(db: Database) -> bool:
    try:
        await deliveries.get(db, new_delivery().id)
    except StoreUnavailableError:
        return False
    return True


def everything(db: Database) -> list[Awaitable[object]]:
    """A call of each kind, the ways of the driver to MongoDB."""
    new = [new_delivery()]
    return [
        db.ping(),
        deliveries.get(db, new[0].id),
        deliveries.insert(db, new, GRACE),
        claims.claim(db, [new[0].id], "token", LEASE),
        _accept(db),
    ]


async def _accept(db: Database) -> None:
    made = new_notification(created_at=db.clock.now())
    post = Accept(made, [new_delivery(made.id)], None, NotificationStatus.SENDING)
    await notifications.accept(db, [post], GRACE)


async def test_a_wrong_password_is_a_refusal_whatever_is_asked_and_however_often(
    locked: LockedMongo, connect: Connect
) -> None:
    """After the first one the driver takes the server for unknown, and most calls time out."""
    db = connect(locked.user("readWrite"), "wrong")
    for within in (3.0, 0.3):
        assert await refused(db.ping(within)) == 18
        codes = await asyncio.gather(*map(refused, everything(db)))
        assert set(codes) == {18}


async def test_once_the_password_is_right_the_same_database_works(
    locked: LockedMongo, connect: Connect
) -> None:
    user = locked.user("readWrite")
    db = connect(user, "new")
    assert await refused(db.ping()) == 18
    user.change_password("new")
    await eventually(functools.partial(answered, db), 20)
    await _accept(db)


async def test_a_user_that_may_read_reads_and_is_refused_all_else(
    locked: LockedMongo, connect: Connect
) -> None:
    db = connect(locked.user("read"))
    ping, reading, *writing = everything(db)
    await ping
    assert await reading is None
    for call in (*writing, ensure_indexes(db)):
        # A transaction that is refused is not tried again in halves.
        assert await refused(call) == 13


async def test_who_names_no_user_is_refused_as_one_without_a_right(
    locked: LockedMongo, connect: Connect
) -> None:
    address = locked.user("read").uri().split("@")[1]
    db = connect(f"mongodb://{address}")
    assert await refused(deliveries.get(db, new_delivery().id)) == 13


async def test_a_refusal_quotes_nothing_of_what_was_asked(
    locked: LockedMongo, connect: Connect
) -> None:
    """MongoDB's own text has the command in it, which may hold people and content."""
    db = connect(locked.user("dbAdmin"))
    with pytest.raises(OperationFailure, match="somebody"):
        await db.recipients.find_one({"_id": "somebody"})
    with pytest.raises(StoreRefusedError, match="code 13") as caught:
        await recipients.get(db, "somebody")
    assert "somebody" not in str(caught.value)
    assert caught.value.__suppress_context__, "nor does a traceback"


async def test_a_right_that_comes_back_is_had_at_once(
    locked: LockedMongo, connect: Connect
) -> None:
    """Nothing was applied meanwhile, and nothing has to be opened anew."""
    user = locked.user("readWrite")
    db = connect(user)
    (pending,) = await insert_pending(db)
    held = (await claim_all(db, [pending]))[pending]
    user.take("read")
    done = [Record(held, Verdict(Cause.ACCEPTED), attempt())]
    assert await refused(record(db, done)) == 13
    assert await db.deliveries.count_documents({"status": "sending"}) == 1
    user.take("readWrite")
    assert not (await record(db, done)).lost


async def test_the_role_that_a_refusal_names_is_all_that_indexes_and_transactions_take(
    locked: LockedMongo, connect: Connect
) -> None:
    db = connect(locked.user("readWrite"))
    await ensure_indexes(db)
    await asyncio.gather(*everything(db))


async def test_a_mongodb_that_goes_away_is_away_though_it_refused_the_login_before(
    own_mongo: MongoServer, connect: Connect
) -> None:
    """Also without access control a user that does not exist is refused."""
    db = connect(own_mongo.uri.replace("mongodb://", "mongodb://nobody:secret@"))
    assert await refused(db.ping()) == 18
    await asyncio.to_thread(own_mongo.stop)

    async def away() -> bool:
        with pytest.raises(StoreUnavailableError) as caught:
            await db.ping(0.3)
        return type(caught.value) is StoreUnavailableError

    await eventually(away)


async def test_who_cannot_wait_is_told_of_the_refusal_too(
    locked: LockedMongo, connect: Connect
) -> None:
    db = connect(locked.user("readWrite"), "wrong")
    presence = Presence(db, 0.5)
    watching = asyncio.create_task(presence.watch())
    try:
        assert await refused(db.ping()) == 18
        await eventually(lambda: presence._away)
        async with asyncio.timeout(0.2):
            assert await refused(_needing(presence)) == 18
    finally:
        watching.cancel()


async def _needing(presence: Presence) -> None:
    async with presence.needed():
        pass


def test_atlas_refuses_with_a_code_of_its_own() -> None:
    assert refusal(OperationFailure("bad auth : Authentication failed.", 8000)) == 8000
    assert "code 8000" in str(StoreRefusedError(8000))
    assert refusal(OperationFailure("Document failed validation", 121)) is None
