"""What brings a process to its step: posts, and what is done to them and to others."""

import signal
import uuid
from collections.abc import Awaitable, Callable
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
    """One mail is sent and recorded while those of a message before it still wait for a slot."""
    stage.slow_sink(0.4)
    sent = stage.system.accepted_mails()
    await stage.mails(30)
    await eventually(lambda: stage.system.accepted_mails() > sent)
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
    cut = await deliveries.update_one(
        own | {"status": "sending"}, [{"$set": {"sweep_at": "$$NOW"}}]
    )
    if not cut.matched_count:  # it was not stopped in time: another round
        stage.signal(signal.SIGCONT)
        return

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


async def long_run_to_come(stage: Stage) -> None:
    """Four seconds long: whoever is told to stop in the middle of it is."""
    await stage.run_of(240, throttle={"perSecond": 60})


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


async def recovered(stage: Stage) -> None:
    """What has lost a lease, and arrived after that."""
    await LOST(stage)
    await stage.put_back("worker")
    await stage.settled()
