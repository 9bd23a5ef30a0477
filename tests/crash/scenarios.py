"""What brings a process to each step: which component dies, and what it has to be given to do."""

import signal
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from tests.crash.points import Side, Step
from tests.crash.stage import Stage
from tests.support.account import recipient_ids
from tests.support.broker import put
from tests.support.deliveries import LEASE
from tests.support.queues import purge
from tests.support.system import Json, mail
from tests.support.waiting import eventually

from fogbell.model.status import Channel, Lane
from fogbell.store import claims, expansions

EVENTS = ["delivery.settled", "notification.settled"]

Work = Callable[[Stage], Awaitable[None]]

ALMOST_NO_TIME = {
    f"FOGBELL_RETENTION__{what}_DAYS": "0.00001"
    for what in ("DELIVERIES", "NOTIFICATIONS", "INBOX")
}
"""Nine tenths of a second."""


@dataclass(frozen=True)
class Scenario:
    """``victim`` dies at the step while ``work`` is done, which is repeated until it does.

    ``without`` are components that do not stand meanwhile; ``before`` is done before the victim
    starts. ``settings`` are the victim's and of who takes its place.
    """

    victim: str
    work: Work
    without: tuple[str, ...] = ()
    before: Work | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


# Intake ------------------------------------------------------------------------------------------


async def one_mail(stage: Stage) -> None:
    await stage.mails(1)


async def twenty_mails(stage: Stage) -> None:
    await stage.mails(20)


async def large_audience(stage: Stage) -> None:
    await stage.to_group(120)


async def cancelled_run(stage: Stage) -> None:
    """With no worker: all of it is there to be cancelled."""
    id_ = await stage.mails(20, lane="bulk")
    await stage.ask("POST", f"/v1/notifications/{id_}/cancel")


async def cancelled_before_its_time(stage: Stage) -> None:
    at = stage.system.db.clock.now() + timedelta(hours=1)
    id_ = await stage.to_group(20, send_at=at.isoformat())
    stage.stopped.add(id_)
    await stage.ask("POST", f"/v1/notifications/{id_}/cancel")


def _standing(work: Work) -> Work:
    """``work`` by the intake that stands: what is to die is asked something else."""

    async def asked(stage: Stage) -> None:
        victim, stage.victim = stage.victim, None
        await work(stage)
        stage.victim = victim

    return asked


async def _settled_run(stage: Stage) -> str:
    id_ = await stage.mails(20, lane="bulk")
    await stage.settled()
    return id_


async def replayed_run(stage: Stage) -> None:
    """Of those who have it already: each gets it once more."""
    id_ = ""

    async def post(stage: Stage) -> None:
        nonlocal id_
        id_ = await _settled_run(stage)

    await _standing(post)(stage)
    await stage.ask("POST", f"/v1/notifications/{id_}/replay", {"status": ["delivered"]})


async def replayed_all(stage: Stage) -> None:
    for id_ in stage.expected:
        await stage.ask("POST", f"/v1/notifications/{id_}/replay", {"status": ["delivered"]})


# Worker ------------------------------------------------------------------------------------------


async def chunks(stage: Stage) -> None:
    await stage.to_group(120)


async def named_in_bulk(stage: Stage) -> None:
    await stage.mails(120)


def inbox(group: str) -> Json:
    return {
        "audience": {"groups": [group]},
        "channels": ["inbox"],
        "content": {"inbox": {"title": "The bell rang"}},
    }


async def inbox_run(stage: Stage) -> None:
    token, names = await stage.group(20)
    await stage.post(inbox(token), lambda id_: recipient_ids(id_, names, Channel.INBOX))


async def undecodable(stage: Stage) -> None:
    """What is none of ours lies in the queue."""
    ground = stage.ground
    await put(ground.rabbitmq, ground.topology.queue(Channel.EMAIL, Lane.TRANSACTIONAL), b"{")
    await stage.mails(1)


async def out_of_order(stage: Stage) -> None:
    """Some are refused, and so recorded later than those after them."""
    for _ in range(40):
        await stage.mails(1)


async def told_to_stop(stage: Stage) -> None:
    """While it holds more than it can send at once."""
    stage.slow_sink(0.6)
    sent = stage.system.accepted_mails()
    for _ in range(3):
        await stage.mails(20)
    await eventually(lambda: stage.system.accepted_mails() > sent)
    stage.signal(signal.SIGTERM)


async def defect(stage: Stage) -> None:
    """Somebody in the audience whose document makes no sense: no expansion gets past them."""
    token, names = await stage.group(20)
    people, broken = stage.system.db.recipients, {"_id": names[7]}
    whole = await people.find_one(broken)
    assert whole is not None
    await people.update_one(broken, {"$set": {"addresses": 5}})
    stage.afterwards.append(lambda: people.replace_one(broken, whole))
    id_ = await stage.post(inbox(token), lambda i: recipient_ids(i, names, Channel.INBOX))
    stage.afterwards.append(lambda: _until_resumed(stage, id_))


async def _until_resumed(stage: Stage, id_: str) -> None:
    async def resumed() -> bool:
        shown = await stage.system.get(f"/v1/notifications/{id_}")
        if shown["reason"] == "expansion_failed":
            await stage.system.client.post(f"/v1/notifications/{id_}/replay")
        return shown["expected"] is not None

    await eventually(resumed, 30, 0.3)


async def resumed(stage: Stage) -> None:
    """A run of which a worker has given the expansion up, and that somebody replays."""
    id_ = await stage.to_group(20)
    db, token = stage.system.db, claims.new_token()
    assert await expansions.take(db, UUID(id_), token, LEASE)
    assert await expansions.fail(db, UUID(id_), token, limit=1, pause=LEASE)
    await stage.ask("POST", f"/v1/notifications/{id_}/replay")
    stage.afterwards.append(lambda: _until_resumed(stage, id_))


# Retry -------------------------------------------------------------------------------------------


async def nothing(stage: Stage) -> None:
    """It sweeps by itself."""


async def posted(stage: Stage) -> None:
    await stage.mails(3)


async def soon(stage: Stage) -> None:
    at = stage.system.db.clock.now() + timedelta(seconds=1)
    await stage.to_group(20, send_at=at.isoformat())


async def told_of(stage: Stage) -> None:
    """An app that wants to be told."""
    app = f"a{uuid.uuid4().hex[:8]}"
    body = {"name": "t", "app": app, "scopes": ["send", "manage"], "mode": "live"}
    key = (await stage.ask("POST", "/v1/api-keys", body))["key"]
    headers = {"Authorization": f"Bearer {key}"}
    url = f"{stage.ground.sink.webhook_url}/ok/{app}"
    client = stage.system.client
    made = await client.post("/v1/endpoints", json={"url": url, "events": EVENTS}, headers=headers)
    assert made.is_success, made.text
    posted = await client.post("/v1/notifications", json=mail(f"{app}@x.org"), headers=headers)
    id_ = posted.json()["id"]
    stage.checks.append(lambda: _told(stage, UUID(id_), made.json()["id"]))


async def _told(stage: Stage, id_: UUID, endpoint: str) -> None:
    """Of each event once, whoever has made the callbacks; and all of it is delivered."""
    db = stage.system.db

    async def settled() -> bool:
        own = await db.deliveries.find({"notification_id": id_}).to_list(None)
        told = await db.deliveries.find({"inline.endpoint": endpoint}).to_list(None)
        assert [d["status"] for d in own + told] == ["delivered"] * 3
        assert sorted(d["inline"]["message"]["type"] for d in told) == EVENTS
        return True

    await eventually(settled, 40, 0.1)
    await _swept_twice(stage)
    assert await settled(), "nothing comes after that"


async def _swept_twice(stage: Stage) -> None:
    """Return once whatever a sweep could find has been found."""
    for _ in range(2):
        await stage.mails(1)
        await stage.settled()


async def to_be_deleted(stage: Stage) -> None:
    id_ = await stage.mails(3)
    stage.gone[id_] = stage.expected.pop(id_)


async def cancelled_while_expanding(stage: Stage) -> None:
    """Somebody holds the expansion: a sweep can only look again later."""
    id_ = await stage.to_group(20)
    stage.stopped.add(id_)
    notifications = stage.system.db.notifications
    await notifications.update_one(
        {"_id": UUID(id_)},
        [
            {
                "$set": {
                    "expansion.owner": "somebody",
                    "expansion.until": {"$add": ["$$NOW", 3000]},
                }
            }
        ],
    )
    await stage.ask("POST", f"/v1/notifications/{id_}/cancel")


# Deaths that leave something to another one ------------------------------------------------------


def dies_first(at: str, side: Side, work: Work, **settings: str) -> Work:
    """A worker that dies at another step before."""

    async def before(stage: Stage) -> None:
        await stage.start_victim("worker", Step.parse(at), side, **settings)
        await work(stage)
        assert await stage.death(20)

    return before


async def late_answer(stage: Stage) -> None:
    """Whoever is stopped while the provider has the mail, until the lease is over.

    The lease is cut short: waited out, it would outlast the send's own timeout. And what the sweep
    publishes is taken away, or it would be claimed again before the answer is recorded.
    """
    stage.slow_sink(0.8)
    sent = stage.system.accepted_mails()
    own = {"notification_id": UUID(await stage.mails(1))}
    await eventually(lambda: stage.system.accepted_mails() > sent)
    stage.signal(signal.SIGSTOP)
    deliveries = stage.system.db.deliveries
    await deliveries.update_one(own | {"status": "sending"}, [{"$set": {"sweep_at": "$$NOW"}}])

    async def expired() -> bool:
        found = await deliveries.find_one(own)
        return bool(found and found["status"] == "failed")

    await eventually(expired, 20, 0.02)
    ground = stage.ground
    await purge(ground.rabbitmq, ground.topology.queue(Channel.EMAIL, Lane.TRANSACTIONAL))
    stage.signal(signal.SIGCONT)


# Runs --------------------------------------------------------------------------------------------


async def run_to_come(stage: Stage) -> None:
    """A second and a half long: there are checkpoints in it."""
    await stage.run_of(90, throttle={"perSecond": 60})


async def run_at_once(stage: Stage) -> None:
    await stage.run_of(120)


async def stopped_in_an_expansion(stage: Stage) -> None:
    made = stage.system.db.deliveries
    wanted = {"notification_id": {"$in": [UUID(id_) for id_ in stage.expected]}}

    async def begun() -> bool:
        return await made.count_documents(wanted) > 0

    await eventually(begun)
    stage.signal(signal.SIGTERM)


LOST = dies_first("fogbell_worker.lane:LaneRunner._send.send", Side.AFTER, posted)
LOST_CHUNK = dies_first("fogbell.store.chunks:take.update_one", Side.AFTER, chunks)
EXPANDED = dies_first(
    "fogbell.store.expansions:finish.update_one",
    Side.AFTER,
    chunks,
    FOGBELL_CHANNELS="webhook",
)
NO_WORKER = ("worker",)


async def recovered(stage: Stage) -> None:
    """What has lost a lease, and arrived after that."""
    await LOST(stage)
    await stage.put_back("worker")
    await stage.settled()


RUN = Scenario("campaign", nothing, before=run_at_once)
PACED_RUN = Scenario("campaign", nothing, before=run_to_come)
STOPPED_RUN = Scenario("campaign", stopped_in_an_expansion, before=run_to_come)

SCENARIOS: dict[str, list[Scenario]] = {
    "fogbell.broker.consumer:_Session.flush.basic_ack": [Scenario("worker", one_mail)],
    "fogbell.broker.consumer:_Session.flush.basic_ack#2": [Scenario("worker", out_of_order)],
    "fogbell.broker.consumer:Consumer._on_message.basic_reject": [Scenario("worker", undecodable)],
    "fogbell.broker.publisher:Publisher._send.basic_publish": [
        Scenario("intake", one_mail),
        Scenario("worker", chunks),
        RUN,
        Scenario("retry", soon),
    ],
    "fogbell.expansion.storing:_publish_alike.publish": [
        Scenario("worker", chunks),
        RUN,
    ],
    "fogbell.expansion.storing:publish_new.publish": [
        Scenario("intake", one_mail),
        Scenario("worker", named_in_bulk),
    ],
    "fogbell.expansion.storing:publish_new.publish_event": [Scenario("worker", inbox_run)],
    "fogbell.replay:_publish.publish": [Scenario("intake", replayed_run)],
    "fogbell.replay:_publish.publish#2": [
        Scenario("intake", replayed_all, without=NO_WORKER, before=recovered)
    ],
    "fogbell.store.cancelling:_expanded.update_one": [
        Scenario("intake", cancelled_before_its_time)
    ],
    "fogbell.store.cancelling:_finish.update_one": [
        Scenario("intake", cancelled_run, without=NO_WORKER)
    ],
    "fogbell.store.cancelling:_settle_page.update_many": [
        Scenario("intake", cancelled_run, without=NO_WORKER)
    ],
    "fogbell.store.cancelling:mark.update_one": [
        Scenario("intake", cancelled_run, without=NO_WORKER)
    ],
    "fogbell.store.cancelling:postpone.update_one": [
        Scenario("retry", cancelled_while_expanding, without=NO_WORKER)
    ],
    "fogbell.store.chunks:_void.bulk_write": [
        Scenario("retry", nothing, before=EXPANDED, without=NO_WORKER)
    ],
    "fogbell.store.chunks:end.delete_one": [
        Scenario("worker", chunks),
        Scenario("retry", nothing, before=LOST_CHUNK, without=NO_WORKER),
    ],
    "fogbell.store.chunks:seize.update_one": [
        Scenario("retry", nothing, before=LOST_CHUNK, without=NO_WORKER)
    ],
    "fogbell.store.chunks:take.update_one": [Scenario("worker", chunks)],
    "fogbell.store.claims:_claim_one.find_one_and_update": [Scenario("worker", one_mail)],
    "fogbell.store.claims:claim.update_many": [Scenario("worker", twenty_mails)],
    "fogbell.store.claims:release.update_many": [
        Scenario("worker", told_to_stop, settings={"FOGBELL_TRANSACTIONAL__SLOTS": "2"})
    ],
    "fogbell.store.deliveries:_insert_some.insert_many": [
        Scenario("worker", chunks),
        RUN,
    ],
    "fogbell.store.expansions:_hold.update_one": [
        Scenario("worker", chunks),
        RUN,
    ],
    "fogbell.store.expansions:checkpoint.update_one": [PACED_RUN],
    "fogbell.store.expansions:fail.find_one_and_update": [
        Scenario("worker", defect, settings={"FOGBELL_PROTOCOL__EXPANSION_FAILURES": "1"})
    ],
    "fogbell.store.expansions:finish.update_one": [
        Scenario("worker", chunks),
        RUN,
    ],
    "fogbell.store.expansions:give_back.update_one": [STOPPED_RUN],
    "fogbell.store.expansions:postpone.update_many": [Scenario("retry", soon)],
    "fogbell.store.expansions:resume.update_one": [Scenario("intake", resumed, without=NO_WORKER)],
    "fogbell.store.expansions:take.find_one_and_update": [
        Scenario("worker", chunks),
        RUN,
    ],
    "fogbell.store.notifications:_commit.commit_transaction": [Scenario("intake", one_mail)],
    "fogbell.store.notifications:_insert.insert_many": [Scenario("intake", twenty_mails)],
    "fogbell.store.notifications:_insert_few.command": [
        Scenario("intake", one_mail),
        Scenario("intake", large_audience),
        RUN,
    ],
    "fogbell.store.progress:settle.bulk_write": [Scenario("retry", one_mail)],
    "fogbell.store.records:_accept_late.update_one": [Scenario("worker", late_answer)],
    "fogbell.store.records:record.bulk_write": [
        Scenario("worker", one_mail),
        Scenario("worker", chunks),
    ],
    "fogbell.store.replay_pages:_put_back.both.update_many": [Scenario("intake", replayed_run)],
    "fogbell.store.replay_pages:_put_back.both.update_one": [Scenario("intake", replayed_run)],
    "fogbell.store.replaying:begin.find_one_and_update": [Scenario("intake", replayed_run)],
    "fogbell.store.replaying:finish.update_one": [Scenario("intake", replayed_run)],
    "fogbell.store.reporting:_insert.insert_many": [Scenario("retry", told_of)],
    "fogbell.store.reporting:_insert.insert_many#2": [Scenario("retry", told_of)],
    "fogbell.store.reporting:report.both.update_many": [Scenario("retry", told_of)],
    "fogbell.store.retention:_apply.bulk_write": [
        Scenario("retry", to_be_deleted, settings=ALMOST_NO_TIME)
    ],
    "fogbell.store.retention:_apply.bulk_write#2": [
        Scenario("retry", to_be_deleted, settings=ALMOST_NO_TIME)
    ],
    "fogbell.store.retention:_hold.update_many": [
        Scenario("retry", to_be_deleted, settings=ALMOST_NO_TIME)
    ],
    "fogbell.store.sweep_state:finished.update_one": [Scenario("retry", one_mail)],
    "fogbell.store.sweep_state:note_leases_ended.update_one": [Scenario("retry", one_mail)],
    "fogbell.store.sweep_state:observe.update_one": [Scenario("retry", one_mail)],
    "fogbell.store.sweeping:expire_leases.update_many": [
        Scenario("retry", nothing, before=LOST, without=NO_WORKER),
        Scenario("retry", nothing, before=LOST_CHUNK, without=NO_WORKER),
    ],
    "fogbell.store.sweeping:move_forward.update_many": [
        Scenario("retry", posted, without=NO_WORKER)
    ],
    "fogbell.store.transactions:_attempt.commit_transaction": [
        Scenario("intake", replayed_run),
        Scenario("retry", told_of),
    ],
    "fogbell_intake.accepting:Accepter._publish.publish_expansion": [
        Scenario("intake", large_audience)
    ],
    "fogbell_intake.routes.changes:_resumed.publish_expansion": [
        Scenario("intake", resumed, without=NO_WORKER)
    ],
    "fogbell_retry.reporting:Reporter._report.publish": [Scenario("retry", told_of)],
    "fogbell_retry.sweep:Sweeper._expire.publish": [
        Scenario("retry", nothing, before=LOST, without=NO_WORKER)
    ],
    "fogbell_retry.sweep:Sweeper._release.publish": [Scenario("retry", posted, without=NO_WORKER)],
    "fogbell_retry.sweep:Sweeper._release.publish#2": [
        Scenario("retry", nothing, before=LOST, without=NO_WORKER)
    ],
    "fogbell_retry.sweep:Sweeper._sweep_expansions.publish_expansion": [Scenario("retry", soon)],
    "fogbell_worker.lane:LaneRunner._send.send": [Scenario("worker", one_mail)],
}
"""For each step who dies there. A step without a scenario fails a test."""
