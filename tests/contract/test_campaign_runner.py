"""Making runs on a real MongoDB. RabbitMQ is away, on purpose: the sweep publishes."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from tests.support.campaigns import CONTENT, job_name, new_run
from tests.support.locked import PASSWORD, LockedMongo
from tests.support.pages import before_page_of
from tests.support.waiting import eventually

from fogbell.broker import Publisher, Topology
from fogbell.expansion import expander
from fogbell.expansion.expander import ExpansionSettings
from fogbell.model.content import Template
from fogbell.model.notification import Notification, TemplateRef
from fogbell.model.recipient import Recipient
from fogbell.model.status import Channel
from fogbell.store import cancelling, expansions, notifications, recipients, templates
from fogbell.store.claims import new_token
from fogbell.store.database import Database, Document, StoreUnavailableError
from fogbell_campaign import runner
from fogbell_campaign.run import Run
from fogbell_campaign.runner import Runner, RunnerSettings
from fogbell_campaign.summary import HOPELESS, TRY_AGAIN, Outcome, Summary

pytestmark = pytest.mark.usefixtures("people")

PAGE, PEOPLE = 5, 23
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expander, "PAGE", PAGE)
    monkeypatch.setattr(runner, "PAUSE", 0.05)


@pytest.fixture
async def people(db: Database) -> list[str]:
    names = [f"r{n:04d}" for n in range(PEOPLE)]
    found = [{"id": name, "addresses": {"email": f"{name}@example.org"}} for name in names]
    await recipients.put_many(db, [Recipient.model_validate(person) for person in found])
    return names


def _runner(db: Database, run: Run, **changes: Any) -> Runner:
    publisher = Publisher("amqp://127.0.0.1:1/", Topology(), name="test", count=lambda *_: None)
    settings = RunnerSettings(
        grace=changes.pop("grace", timedelta(milliseconds=10)),
        patience=changes.pop("patience", SECOND),
        offered=changes.pop("offered", None),
        expansion=ExpansionSettings(**changes),
    )
    return Runner(db, publisher, run, settings, on_inserted=lambda _: None, on_unknown=lambda: None)


async def _perform(db: Database, run: Run, **changes: Any) -> Summary:
    return await asyncio.wait_for(_runner(db, run, **changes).perform(), 30)


async def _stored(db: Database, run: Run) -> Notification:
    stored = await notifications.get(db, run.id)
    assert stored is not None
    return stored


async def _document(db: Database, run: Run) -> Document:
    return dict(await db.notifications.find_one({"_id": run.id}) or {})


async def _reached(db: Database) -> Counter[str]:
    return Counter([d["recipient_id"] async for d in db.deliveries.find({})])


async def _nothing_is_written(db: Database) -> bool:
    return not (
        await db.notifications.count_documents({}) or await db.deliveries.count_documents({})
    )


async def test_a_run_reaches_everyone_once_and_says_so(db: Database, people: list[str]) -> None:
    run = new_run()
    summary = await _perform(db, run)
    assert (summary.outcome, summary.exit_status) == (Outcome.EXPANDED, 0)
    assert (summary.notification, summary.inserted) == (run.id, PEOPLE)
    assert await _reached(db) == dict.fromkeys(people, 1)
    assert (await _stored(db, run)).expected == PEOPLE


async def test_a_second_pod_of_a_finished_run_adds_nothing(db: Database, people: list[str]) -> None:
    await _perform(db, new_run())
    # Whoever has come to the directory since is not of this run.
    await recipients.put(db, Recipient.model_validate({"id": "later"}))
    summary = await _perform(db, new_run(controller="job-2"))
    assert (summary.outcome, summary.inserted, summary.exit_status) == (Outcome.RESUMED, 0, 0)
    assert await _reached(db) == dict.fromkeys(people, 1)


async def test_a_finished_run_is_resumed_however_late_its_next_pod_comes(
    db: Database, people: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run()
    await _perform(db, run)
    now = db.clock.now()
    monkeypatch.setattr(db.clock, "now", lambda: now + timedelta(days=2))
    assert (await _perform(db, run)).outcome is Outcome.RESUMED
    assert await _reached(db) == dict.fromkeys(people, 1)


async def test_many_pods_at_once_make_one_run(db: Database, people: list[str]) -> None:
    summaries = await asyncio.gather(*(_perform(db, new_run(controller=f"{n}")) for n in range(4)))
    outcomes = Counter(summary.outcome for summary in summaries)
    assert outcomes == {Outcome.EXPANDED: 1, Outcome.RESUMED: 3}
    assert sum(summary.inserted for summary in summaries) == PEOPLE
    assert await _reached(db) == dict.fromkeys(people, 1)
    assert await db.notifications.count_documents({}) == 1


async def test_a_long_build_of_an_index_does_not_make_a_run_too_late_to_begin(
    db: Database, people: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has begun goes on however late it is; another process may expand it meanwhile."""

    async def building(_: Database, within: float) -> None:
        raise StoreUnavailableError(f"an index is being built for more than {within} s")

    monkeypatch.setattr(runner, "ensure_indexes", building)
    run = new_run()
    assert (await _perform(db, run, patience=timedelta(0))).outcome is Outcome.FAILED
    monkeypatch.undo()
    assert (await _perform(db, run)).outcome is Outcome.RESUMED
    assert await _reached(db) == dict.fromkeys(people, 1)


async def test_what_another_process_expands_is_waited_for(db: Database, people: list[str]) -> None:
    run, token = new_run(), new_token()
    now = db.clock.now()
    made = run.notification(None, now)
    post = notifications.Accept(made, [], now, made.status(now))
    await notifications.accept(db, [post], SECOND)
    assert await expansions.take(db, run.id, token, 60 * SECOND)
    waiting = asyncio.create_task(_perform(db, run))
    done, _ = await asyncio.wait({waiting}, timeout=0.3)
    assert not done
    assert await _reached(db) == {}
    await expansions.give_back(db, run.id, token)
    summary = await waiting
    assert (summary.outcome, summary.inserted) == (Outcome.RESUMED, len(people))


async def test_no_worker_is_asked_while_a_runner_is_at_work(
    db: Database, people: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep looks once the lease is over, and not before."""
    run, going_on = new_run(), asyncio.Event()
    _stop_at(monkeypatch, "r0012", going_on)
    working = asyncio.create_task(_perform(db, run))
    await eventually(lambda: _has_lease(db, run))
    assert await expansions.due(db, db.clock.now() + 30 * SECOND, 10) == []
    assert await expansions.due(db, db.clock.now() + 61 * SECOND, 10) == [run.id]
    going_on.set()
    assert (await working).inserted == len(people)


async def _has_lease(db: Database, run: Run) -> bool:
    return "owner" in (await _document(db, run)).get("expansion", {})


def _stop_at(monkeypatch: pytest.MonkeyPatch, name: str, going_on: asyncio.Event) -> None:
    """Let whoever plans for the recipient ``name`` wait until ``going_on``."""

    async def held() -> None:
        await going_on.wait()

    before_page_of(monkeypatch, name, held)


async def test_a_run_that_is_cancelled_meanwhile_stops_and_says_so(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, going_on = new_run(throttle={"perSecond": 50}), asyncio.Event()
    _stop_at(monkeypatch, "r0012", going_on)
    working = asyncio.create_task(_perform(db, run, lease=2 * SECOND))
    await eventually(lambda: db.deliveries.count_documents({}))
    await cancelling.mark(db, run.id, SECOND)
    going_on.set()
    summary = await working
    assert (summary.outcome, summary.exit_status) == (Outcome.CANCELLED, 0)
    assert summary.notification == run.id
    again = await _perform(db, run)
    assert (again.outcome, again.inserted) == (Outcome.CANCELLED, 0)


async def test_a_stop_gives_the_lease_back_for_the_next_pod(
    db: Database, people: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, going_on = new_run(), asyncio.Event()
    with monkeypatch.context() as patch:
        _stop_at(patch, "r0012", going_on)
        stopped = _runner(db, run)
        working = asyncio.create_task(stopped.perform())
        await eventually(lambda: db.deliveries.count_documents({}))
        working.cancel()
        await asyncio.wait({working})
    assert not await _has_lease(db, run)
    summary = stopped.failed("Stopped", "")
    assert (summary.exit_status, summary.notification) == (1, run.id)
    assert (await _perform(db, run)).outcome is Outcome.RESUMED
    assert await _reached(db) == dict.fromkeys(people, 1)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"content": None, "template": {"name": "digest", "version": 9}}, "UnknownTemplate"),
        ({"content": None, "template": {"name": "weekly"}}, "UnknownTemplate"),
        ({"content": None, "template": {"name": "digest"}, "channels": ["sms"]}, "MissingChannel"),
    ],
)
async def test_a_template_that_will_not_do_fails_the_run_and_leaves_nothing(
    db: Database, changes: dict[str, Any], reason: str
) -> None:
    await _put_digest(db, "Fog")
    summary = await _perform(db, new_run(**changes))
    assert (summary.outcome, summary.reason) == (Outcome.FAILED, reason)
    assert (summary.exit_status, summary.notification) == (HOPELESS, None)
    assert await _nothing_is_written(db)


async def test_a_channel_that_nobody_serves_fails_the_run_and_leaves_nothing(db: Database) -> None:
    summary = await _perform(db, new_run(), offered=frozenset({Channel.INBOX, Channel.WEBHOOK}))
    assert (summary.outcome, summary.reason) == (Outcome.FAILED, "ChannelNotOffered")
    assert (summary.exit_status, summary.notification) == (HOPELESS, None)
    assert "does not offer 'email'; it offers inbox, webhook." in summary.message
    assert await _nothing_is_written(db)


async def test_a_run_that_has_begun_goes_on_where_its_channel_is_not_offered_any_more(
    db: Database, people: list[str]
) -> None:
    await _perform(db, new_run(), offered=frozenset({Channel.EMAIL}))
    summary = await _perform(db, new_run(), offered=frozenset({Channel.INBOX}))
    assert (summary.outcome, summary.exit_status) == (Outcome.RESUMED, 0)
    assert await _reached(db) == dict.fromkeys(people, 1)


async def _put_digest(db: Database, subject: str) -> None:
    locales = {"en": {"email": CONTENT["email"] | {"subject": subject}}}
    draft = {"name": "digest", "version": 1, "locales": locales}
    await templates.put_version(db, Template.model_validate(draft))


async def test_a_run_keeps_the_version_that_it_began_with(db: Database) -> None:
    asked: dict[str, Any] = {"content": None, "template": {"name": "digest"}}
    await _put_digest(db, "first")
    await _put_digest(db, "second")
    await _perform(db, new_run(**asked))
    await _put_digest(db, "third")
    await _perform(db, new_run(**asked))
    assert (await _stored(db, new_run())).template == TemplateRef("digest", 2)


@pytest.mark.parametrize(
    ("minutes", "changes", "reason"),
    [
        (-20, {"startingDeadlineSeconds": 300}, "Missed"),
        (+5, {}, "NotDue"),
        (-3, {"expiresAfter": "2m"}, "Expired"),
    ],
)
async def test_a_run_at_the_wrong_time_is_refused_and_leaves_nothing(
    db: Database, minutes: int, changes: dict[str, Any], reason: str
) -> None:
    run = new_run(job_name(db.clock.now() + timedelta(minutes=minutes)), **changes)
    summary = await _perform(db, run)
    assert (summary.outcome, summary.reason) == (Outcome.REFUSED, reason)
    assert (summary.exit_status, summary.notification) == (0, None)
    assert await _nothing_is_written(db)


async def test_a_defect_is_tried_again_and_given_up_for_good(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = 0

    async def broken() -> None:
        nonlocal tries
        tries += 1
        raise ValueError("a defect")

    before_page_of(monkeypatch, "r0001", broken)
    summary = await _perform(db, new_run(), failures=3)
    assert (summary.reason, summary.exit_status) == ("ExpansionFailed", HOPELESS)
    assert tries >= 3
    assert (await _perform(db, new_run())).exit_status == HOPELESS, "whoever comes next"


async def test_an_outage_that_outlasts_patience_leaves_the_run_to_the_next_pod() -> None:
    away = Database("mongodb://127.0.0.1:1/?replicaSet=rs0", "away")
    summary = await _perform(away, new_run(), patience=timedelta(milliseconds=1))
    away.close()
    assert (summary.reason, summary.exit_status) == ("StoreUnavailable", 1)
    assert summary.notification is None


@pytest.mark.parametrize(("password", "code"), [(PASSWORD, 13), ("wrong", 18)])
async def test_a_refusal_that_outlasts_patience_says_what_to_change(
    locked: LockedMongo, password: str, code: int
) -> None:
    """Another pod may be let in: it reads the URI anew."""
    refused = locked.user("read").connect(password)
    summary = await _perform(refused, new_run(), patience=timedelta(milliseconds=1))
    refused.close()
    assert (summary.reason, summary.exit_status) == ("StoreRefused", TRY_AGAIN)
    assert f"code {code}" in summary.message
    assert summary.notification is None


async def test_a_run_needs_no_more_than_the_role_that_a_refusal_names(locked: LockedMongo) -> None:
    db = locked.user("readWrite").connect()
    await recipients.put(db, Recipient.model_validate({"id": "ann"}))
    summary = await _perform(db, new_run())
    db.close()
    assert (summary.outcome, summary.inserted) == (Outcome.EXPANDED, 1)


async def test_an_outage_in_the_middle_is_borne_and_nobody_is_reached_twice(
    db: Database, people: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter(range(2))

    async def away() -> None:
        if next(failures, None) is not None:
            raise StoreUnavailableError("as if MongoDB had gone away")

    before_page_of(monkeypatch, "r0012", away)
    summary = await _perform(db, new_run(), lease=0.2 * SECOND, patience=10 * SECOND)
    assert summary.outcome is Outcome.EXPANDED
    assert await _reached(db) == dict.fromkeys(people, 1)
