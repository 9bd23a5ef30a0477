"""A defect stops an expansion: tried again, not without bound, and nobody is lost by it."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from structlog.testing import capture_logs
from tests.support.deliveries import GRACE
from tests.support.notifications import new_notification
from tests.support.pages import before_page_of

from fogbell.broker import Ids, Publisher, Received, Topology
from fogbell.expansion import expander
from fogbell.expansion.expander import Expander, ExpansionFailedError, ExpansionSettings
from fogbell.model.content import Content
from fogbell.model.notification import Audience, Notification
from fogbell.model.recipient import Recipient
from fogbell.model.status import Lane, NotificationStatus
from fogbell.store import cancelling, deliveries, expansions, notifications, recipients
from fogbell.store.database import Database, Document, StoreUnavailableError
from fogbell_worker.expanding import ExpansionRunner

PAGE, PEOPLE, FAILURES = 5, 23, 3
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expander, "PAGE", PAGE)


@pytest.fixture
async def run(db: Database) -> Notification:
    """A run to everybody; every page is checkpointed."""
    content = Content.model_validate({"email": {"subject": "Hi", "text": "Hi"}})
    run = new_notification(
        created_at=db.clock.now(),
        content=content,
        lane=Lane.BULK,
        audience=Audience(everyone=True),
    )
    post = notifications.Accept(run, [], db.clock.now(), NotificationStatus.EXPANDING)
    await notifications.accept(db, [post], GRACE)
    people = [{"id": f"r{n:04d}", "addresses": {"email": f"{n}@x.org"}} for n in range(PEOPLE)]
    await recipients.put_many(db, [Recipient.model_validate(person) for person in people])
    return run


def _expander(db: Database) -> Expander:
    publisher = Publisher("amqp://127.0.0.1:1/", Topology(), name="test", count=lambda *_: None)
    return Expander(db, publisher, ExpansionSettings(failures=FAILURES, grace=GRACE))


def _break(monkeypatch: pytest.MonkeyPatch, error: Exception, at: str = "r0012") -> None:
    """Let whoever plans for the recipient ``at`` fail."""

    async def broken() -> None:
        raise error

    before_page_of(monkeypatch, at, broken)


async def _stored(db: Database, run: UUID) -> Document:
    found = await db.notifications.find_one({"_id": run})
    assert found is not None
    return dict(found)


async def _fail(db: Database, run: UUID) -> bool:
    with pytest.raises(ExpansionFailedError) as caught:
        await _expander(db).expand(run)
    return caught.value.given_up


async def test_an_expansion_that_fails_too_often_is_given_up_with_a_reason(
    db: Database, run: Notification, monkeypatch: pytest.MonkeyPatch
) -> None:
    _break(monkeypatch, RuntimeError("no template does this"))
    assert [await _fail(db, run.id) for _ in range(FAILURES)] == [False, False, True]
    assert await _expander(db).expand(run.id) is None
    assert await expansions.due(db, db.clock.now() + timedelta(days=365), 10) == []
    stored = await notifications.get(db, run.id)
    assert stored is not None
    shown = (stored.status(db.clock.now()), stored.reason, stored.expected)
    assert shown == (NotificationStatus.EXPANDING, "expansion_failed", None)


async def test_the_pause_doubles_with_each_failure(
    db: Database, run: Notification, monkeypatch: pytest.MonkeyPatch
) -> None:
    _break(monkeypatch, RuntimeError("no template does this"))
    for factor in (1, 2):
        await _fail(db, run.id)
        pause = (await _stored(db, run.id))["sweep_at"] - db.clock.now()
        assert GRACE * factor - 5 * SECOND < pause <= GRACE * factor + SECOND


async def test_what_was_inserted_stays_and_a_resumed_expansion_reaches_everybody_once(
    db: Database, run: Notification, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        _break(broken, RuntimeError("no template does this"))
        for _ in range(FAILURES):
            await _fail(db, run.id)
    there = await deliveries.page(
        db, run.id, status=None, channel=None, after=None, limit=PEOPLE + 1
    )
    assert {d.status.value for d in there} == {"pending"}
    assert await expansions.resume(db, run.id, GRACE)
    assert not await expansions.resume(db, run.id, GRACE)
    expansion = await _expander(db).expand(run.id)
    assert expansion is not None
    assert expansion.finished
    stored = await notifications.get(db, run.id)
    assert stored is not None
    assert (stored.expected, stored.reason) == (PEOPLE, None)
    assert expansion.inserted == PEOPLE - len(there)


async def test_a_failure_further_on_is_the_first_one_there(db: Database, run: Notification) -> None:
    for cursor in ("3:a", "3:b", "3:c", "3:c", None):
        token = f"token {cursor}"
        assert await expansions.take(db, run.id, token, GRACE)
        await expansions.checkpoint(db, run.id, token, cursor, GRACE)
        assert not await expansions.fail(db, run.id, token, limit=FAILURES + 1, pause=SECOND)
    assert (await _stored(db, run.id))["expansion"]["failures"] == 3


async def test_an_outage_is_no_failure(
    db: Database, run: Notification, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as away:
        _break(away, StoreUnavailableError("no primary"))
        with pytest.raises(StoreUnavailableError):
            await _expander(db).expand(run.id)
    assert "failures" not in (await _stored(db, run.id))["expansion"]


async def test_a_failure_of_a_cancelled_run_does_not_keep_it_from_its_end(
    db: Database, run: Notification
) -> None:
    assert await expansions.take(db, run.id, "token", GRACE)
    assert await cancelling.mark(db, run.id, GRACE)
    assert not await expansions.fail(db, run.id, "token", limit=1, pause=GRACE)
    stored = await _stored(db, run.id)
    assert "sweep_at" in stored
    assert "reason" not in stored
    assert not await expansions.resume(db, run.id, GRACE)


async def test_a_worker_counts_failures_logs_them_as_errors_and_is_done_with_the_message(
    db: Database, run: Notification, monkeypatch: pytest.MonkeyPatch
) -> None:
    _break(monkeypatch, RuntimeError("no template does this"))
    counted: Counter[str] = Counter()
    runner = ExpansionRunner(_expander(db), lambda outcome: counted.update([outcome]))
    runner.start()
    with capture_logs() as lines:
        for _ in range(FAILURES):
            done = asyncio.Event()
            runner.receive(_message(run.id, done))
            async with asyncio.timeout(10):
                await done.wait()
    await runner.stop()
    assert counted == {"tried_again": FAILURES - 1, "given_up": 1}
    told = [line for line in lines if line["event"] == "expansion_failed"]
    assert [line["given_up"] for line in told] == [False, False, True]
    assert {line["log_level"] for line in told} == {"error"}


def _message(run: UUID, done: asyncio.Event) -> Received:
    class Window:
        over = False

        def finish(self, _: int) -> None:
            done.set()

    return Received(Ids((run,)), 0, cast("Any", Window()))
