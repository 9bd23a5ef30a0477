"""The faults of docs/runbooks, each made until its alerts ring, and mended as its page says."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import aio_pika
from tests.live.stage import Stage, repeated
from tests.support.campaigns import new_run, start_pod
from tests.support.system import mail
from tests.support.waiting import eventually

from fogbell_local.processes import Component
from fogbell_local.servers import MongoServer, RabbitServer
from fogbell_local.servers.ports import free_ports
from fogbell_local.sink.server import Behaviour

WELL = Behaviour()


async def a_relay_that_is_away(stage: Stage) -> None:
    sink = stage.system.ground.sink
    async with stage.fault("FogbellBreakerOpen"):
        await asyncio.to_thread(sink.stop)
    await asyncio.to_thread(sink.restart, WELL)


async def a_relay_that_refuses_for_good(stage: Stage) -> None:
    """Who has died meanwhile is reached by a replay."""
    system, sink = stage.system, stage.system.ground.sink
    async with stage.fault(
        "FogbellDeliveriesDead", "FogbellSuccessShareLow", "FogbellNothingDelivered"
    ):
        await asyncio.to_thread(sink.restart, Behaviour(refuse_fraction=1.0, refuse_code=550))
        post = await system.post(mail("refused@example.org"))
    await asyncio.to_thread(sink.restart, WELL)
    await _replayed(stage, post["id"])
    assert [item["status"] for item in await system.deliveries(post["id"])] == ["delivered"]


async def _replayed(stage: Stage, notification: str) -> None:
    """Replay it, as runbooks say, and wait for its end."""
    answer = await stage.system.client.post(f"/v1/notifications/{notification}/replay")
    assert answer.is_success, answer.text
    await stage.system.settled(notification)


async def a_relay_that_is_slow(stage: Stage) -> None:
    sink = stage.system.ground.sink
    async with stage.fault("FogbellObjectiveBurnsFast", "FogbellObjectiveBurnsSlowly"):
        await asyncio.to_thread(sink.restart, Behaviour(delay=0.8))
    await asyncio.to_thread(sink.restart, WELL)


async def receivers_that_are_gone(stage: Stage) -> None:
    gone = f"{stage.system.ground.sink.webhook_url}/gone"
    people = [{"webhook": {"url": f"{gone}/{number}"}} for number in range(40)]
    body = {
        "audience": {"addresses": people},
        "channels": ["webhook"],
        "content": {"webhook": {"type": "fog", "data": {}}},
    }
    async with stage.fault("FogbellWebhooksDie"):
        await stage.system.post(body)


async def a_stranger_at_the_queues(stage: Stage) -> None:
    ground = stage.system.ground
    async with await aio_pika.connect(ground.rabbitmq) as connection:
        channel = await connection.channel()
        queue = f"{ground.prefix}email.bulk"
        async with stage.fault("FogbellDeadLetters"):
            await channel.default_exchange.publish(aio_pika.Message(b"hello"), queue)
        await (await channel.declare_queue(f"{ground.prefix}dead", passive=True)).purge()


async def an_expansion_that_meets_a_defect(stage: Stage) -> None:
    system = stage.system
    # Nothing of Fogbell's would write it like that.
    await system.db.recipients.insert_one({"_id": "broken", "groups": ["crew"], "addresses": 1})
    async with stage.fault("FogbellExpansionGivenUp"):
        post = await system.post(mail(audience={"groups": ["crew"]}))
    await system.db.recipients.delete_one({"_id": "broken"})
    await _replayed(stage, post["id"])


async def a_runner(stage: Stage, directory: Path) -> None:
    """No fault: what it inserts can be seen while it lives, which is for 15 seconds: Debian's
    Prometheus may take six until it first scrapes it, and a rate takes two scrapes.
    """
    system, port = stage.system, free_ports(1)[0]
    for number in range(150):
        await system.put_recipient(f"r{number}", addresses={"email": f"r{number}@example.org"})
    environ = system.environ() | {"FOGBELL_METRICS__PORT": str(port)}
    run = new_run(throttle={"perSecond": 10})
    program = await asyncio.to_thread(start_pod, run, "runner", directory, environ)
    try:
        stage.scrape(Component("campaign", "runner", program, port))
        await eventually(lambda: program.exit_status is not None, 90, 0.1)
        assert program.exit_status == 0, program.tail()
    finally:
        await asyncio.to_thread(program.kill)
    stage.scrape()


async def workers_that_die(stage: Stage) -> None:
    """Again and again, while they send."""
    sink = stage.system.ground.sink
    await asyncio.to_thread(sink.restart, Behaviour(delay=0.5))

    async def another() -> None:
        """A new worker, and the death of those before it."""
        system = stage.system
        worker = await system.add_worker()
        stage.scrape()
        for other in system.started:
            if other.name == "worker" and other is not worker:
                await system.kill(other)
        stage.scrape()
        await asyncio.sleep(4)

    await stage.until_silent("FogbellLeasesLost")
    async with repeated(another):
        await stage.until_rung("FogbellLeasesLost", within=120)
    await asyncio.to_thread(sink.restart, WELL)


async def rabbitmq_that_is_away(stage: Stage, rabbitmq: RabbitServer) -> None:
    """Sweeps find what is due, and cannot give it to any worker."""
    async with stage.fault(
        "FogbellRabbitmqAway",
        "FogbellPublishFails",
        "FogbellDeliveriesOverdue",
        "FogbellBulkOverdue",
        within=120,
    ):
        await asyncio.to_thread(rabbitmq.kill)
        await stage.system.post(mail("late@example.org", lane="bulk"))
    await asyncio.to_thread(rabbitmq.restart)


async def mongodb_that_is_slow(stage: Stage, mongodb: MongoServer) -> None:
    async def hiccup() -> None:
        with _frozen(mongodb):
            await asyncio.sleep(2.0)
        await asyncio.sleep(0.3)

    await stage.until_silent("FogbellIntakeSlow")
    async with repeated(hiccup):
        await stage.until_rung("FogbellIntakeSlow", within=60)


async def mongodb_that_is_away(stage: Stage, mongodb: MongoServer) -> None:
    await stage.until_silent("FogbellIntakeFails")
    with _frozen(mongodb):
        await stage.until_rung("FogbellIntakeFails", within=60)


@contextlib.contextmanager
def _frozen(mongodb: MongoServer) -> Iterator[None]:
    mongodb.freeze()
    try:
        yield
    finally:
        mongodb.thaw()


async def nobody_works(stage: Stage) -> None:
    async with stage.fault("FogbellNoConsumers", "FogbellNobodyClaims", "FogbellWorkersAbsent"):
        for component in stage.system.started:
            if component.name == "worker":
                await stage.system.stop(component)


async def nobody_sweeps(stage: Stage) -> None:
    async with stage.fault("FogbellSweepAbsent"):
        await stage.system.stop_retry()
        stage.scrape()


async def nothing_is_scraped(stage: Stage) -> None:
    async with stage.fault("FogbellNothingKnown"):
        stage.targets.replace([])


async def all_is_well_again(stage: Stage) -> None:
    """Once each fault is mended, all that rang falls silent, while mails go on."""
    await stage.system.add_worker()
    await stage.system.start_retry()
    stage.scrape()
    await stage.until_silent(*stage.witness.alerts, within=180)
