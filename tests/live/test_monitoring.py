"""The proof: the whole system, real Prometheus and Alertmanager, and the faults of the runbooks.

Each alert of what runs here reaches Alertmanager while its fault lasts, and is silent before; each
expression of each panel has data; sums agree with MongoDB. The operator's are proven on a cluster.
"""

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aio_pika
import httpx2
import pytest
from monitoring.alerts import ALERTS
from monitoring.dashboards import DELIVERY, OVERVIEW, PLUMBING
from monitoring.recording import keep, record
from monitoring.rules import rules
from tests.live.witness import AIM, FACTOR, HERE, Witness, asked, panels
from tests.support.campaigns import new_run, start_pod
from tests.support.prometheus import Targets, Watch
from tests.support.system import Ground, System, mail
from tests.support.waiting import eventually

from fogbell_local.processes import Component
from fogbell_local.servers import MongoServer, RabbitServer
from fogbell_local.servers.ports import free_ports
from fogbell_local.sink import SinkServer
from fogbell_local.sink.server import Behaviour

EXPECTED = {alert.name for alert in ALERTS if not alert.operator}
SETTINGS = {
    "FOGBELL_PROTOCOL__EXPANSION_FAILURES": "1",
    "FOGBELL_EMAIL__RATE_PER_SECOND": "1000",
}
OF_INTAKE = {"FOGBELL_METRICS__REFRESH_SECONDS": "0.5"}
PEOPLE = 200
WELL = Behaviour()


class Stage:
    """The system, what watches it, and traffic that goes on whatever happens."""

    def __init__(self, system: System, targets: Targets, watch: Watch, witness: Witness) -> None:
        self.system, self.targets = system, targets
        self.watch, self.witness = watch, witness

    def scrape(self, *more: Component) -> None:
        """Scrape all that live."""
        alive = [c for c in self.system.started if c.program.exit_status is None]
        retry = [self.system.sweeping] if self.system.sweeping else []
        self.targets.replace([*alive, *retry, *more])

    async def watched(self) -> None:
        """Wait until all that live are scraped, and nothing rings that rang before that."""
        self.scrape()

        async def seen() -> bool:
            samples = await asyncio.to_thread(self.watch.query, "count(up == 1)")
            assert [sample.value for sample in samples] == [len(self.system.started) + 1]
            assert await asyncio.to_thread(self.watch.alerts) == set()
            return True

        await eventually(seen, 60, 0.2)

    @contextlib.asynccontextmanager
    async def fault(self, *alerts: str, within: float = 60) -> AsyncIterator[None]:
        """What the block does makes ``alerts`` ring, all of them; before it they are silent, what
        had made them ring being mended.
        """
        await self.witness.until_silent(alerts, 90)
        yield
        for alert in alerts:
            await self.witness.until_rings(alert, within)

    @contextlib.asynccontextmanager
    async def traffic(self, pause: float = 0.2) -> AsyncIterator[None]:
        """A mail to one person again and again, accepted or not."""

        async def post(number: int) -> None:
            body = mail(f"person{number}@example.org")
            with contextlib.suppress(httpx2.TransportError):
                await self.system.client.post("/v1/notifications", json=body)

        async def go_on() -> None:
            async with asyncio.TaskGroup() as posts:
                number = 0
                while True:
                    number += 1
                    posts.create_task(post(number))
                    await asyncio.sleep(pause)

        task = asyncio.create_task(go_on())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.mark.timeout(1200)
async def test_every_alert_rings_for_its_fault_and_every_panel_has_data(
    own_mongo: MongoServer,
    own_rabbit: RabbitServer,
    mail_sink: SinkServer,
    tmp_path: Path,
    panels_folder: Path | None,
) -> None:
    ground = Ground(own_mongo.uri, own_rabbit.uri, "live", "live.", mail_sink, tmp_path)
    shipped = without_operator(rules(HERE, AIM, factor=FACTOR))
    targets = Targets(tmp_path / "targets.json", HERE)
    async with System(ground, settings=SETTINGS, of_intake=OF_INTAKE) as system:
        with Watch(tmp_path / "watch", shipped, [targets.scrape()]) as watch:
            witness = Witness(watch, panels(operator=False).values())
            stage = Stage(system, targets, watch, witness)
            await stage.watched()
            async with witness.looking():
                await sums_agree_with_mongodb(stage)
                assert witness.ever == set()
                async with stage.traffic():
                    await a_relay_that_is_away(stage)
                    await a_relay_that_refuses_for_good(stage)
                    await a_relay_that_is_slow(stage)
                    await receivers_that_are_gone(stage)
                    await a_stranger_at_the_queues(stage)
                    await an_expansion_that_meets_a_defect(stage)
                    await a_runner(stage, tmp_path)
                    await workers_that_die(stage)
                    await rabbitmq_that_is_away(stage, own_rabbit)
                    await mongodb_that_is_slow_or_away(stage, own_mongo)
                    await nobody_works_and_nobody_sweeps(stage)
                    assert witness.ever == EXPECTED
                    await all_is_well_again(stage)
            if panels_folder:
                history = functools.partial(watch.history, until=time.time())
                for board in (OVERVIEW, DELIVERY, PLUMBING):
                    keep(record(board, asked, history), board, panels_folder)
            assert watch.unhealthy() == []
            named = {expression: name for name, expression in panels(operator=False).items()}
            assert [named[expression] for expression in sorted(witness.silent)] == []


def without_operator(document: dict[str, Any]) -> dict[str, Any]:
    """As the chart leaves the operator's alerts out where there is none."""
    return {"groups": [group for group in document["groups"] if group["name"] == "fogbell"]}


async def sums_agree_with_mongodb(stage: Stage) -> None:
    """What Prometheus adds up is what MongoDB has; nothing rings meanwhile."""
    system, watch = stage.system, stage.watch
    await system.put_recipient("ann", addresses={"email": "ann@example.org"})
    posts = [
        await system.post(mail(*(f"{batch}-{n}@example.org" for n in range(PEOPLE))))
        for batch in range(3)
    ]
    await system.settled(*(post["id"] for post in posts))
    delivered = await system.db.deliveries.count_documents({"status": "delivered"})
    notifications = await system.db.notifications.count_documents({})
    expected = {
        'sum(fogbell_deliveries_total{outcome="delivered"})': delivered,
        "sum(fogbell_end_to_end_seconds_count)": delivered,
        "sum(fogbell_notifications_accepted_total)": notifications,
        "max(fogbell_notifications_settled_total)": notifications,
        'sum(fogbell_http_requests_total{route="/v1/notifications",code="202"})': notifications,
        "sum(max by (status) (fogbell_outstanding))": 0,
    }

    async def agree() -> bool:
        found = {}
        for expression in expected:
            samples = await asyncio.to_thread(watch.query, expression)
            found[expression] = samples[0].value if samples else None
        assert found == expected
        return True

    # What is outstanding is counted once a minute.
    await eventually(agree, 80, 0.5)
    assert delivered == 3 * PEOPLE


async def a_relay_that_refuses_for_good(stage: Stage) -> None:
    sink = stage.system.ground.sink
    async with stage.fault(
        "FogbellDeliveriesDead", "FogbellSuccessShareLow", "FogbellNothingDelivered"
    ):
        await asyncio.to_thread(sink.restart, Behaviour(refuse_fraction=1.0, refuse_code=550))
        post = await stage.system.post(mail("refused@example.org"))
    await asyncio.to_thread(sink.restart, WELL)
    await _replayed(stage, post["id"])
    assert [item["status"] for item in await stage.system.deliveries(post["id"])] == ["delivered"]


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


async def a_relay_that_is_away(stage: Stage) -> None:
    sink = stage.system.ground.sink
    async with stage.fault("FogbellBreakerOpen"):
        await asyncio.to_thread(sink.stop)
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
    """What it inserts can be seen while it lives."""
    system, port = stage.system, free_ports(1)[0]
    for number in range(60):
        await system.put_recipient(f"r{number}", addresses={"email": f"r{number}@example.org"})
    environ = system.environ() | {"FOGBELL_METRICS__PORT": str(port)}
    run = new_run(throttle={"perSecond": 10})
    program = await asyncio.to_thread(start_pod, run, "runner", directory, environ)
    try:
        stage.scrape(Component("campaign", "runner", program, port))
        await eventually(lambda: program.exit_status is not None, 60, 0.1)
        assert program.exit_status == 0, program.tail()
    finally:
        await asyncio.to_thread(program.kill)
    stage.scrape()


async def workers_that_die(stage: Stage) -> None:
    """Again and again, while they send."""
    system = stage.system
    await asyncio.to_thread(system.ground.sink.restart, Behaviour(delay=0.5))
    async with stage.fault("FogbellLeasesLost", within=120), repeated(_another_worker, stage):
        await stage.witness.until_rings("FogbellLeasesLost", 120)
    await asyncio.to_thread(system.ground.sink.restart, WELL)


async def _another_worker(stage: Stage) -> None:
    """A new worker, and the death of those before it."""
    system = stage.system
    worker = await system.add_worker()
    stage.scrape()
    for other in system.started:
        if other.name == "worker" and other is not worker:
            await system.kill(other)
    stage.scrape()
    await asyncio.sleep(4)


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


async def mongodb_that_is_slow_or_away(stage: Stage, mongodb: MongoServer) -> None:
    await _frozen(stage, mongodb, "FogbellIntakeSlow", frozen=2.0, thawed=0.3)
    await _frozen(stage, mongodb, "FogbellIntakeFails", frozen=30.0, thawed=0.0)


async def nobody_works_and_nobody_sweeps(stage: Stage) -> None:
    system = stage.system
    async with stage.fault("FogbellNoConsumers", "FogbellNobodyClaims", "FogbellWorkersAbsent"):
        for component in system.started:
            if component.name == "worker":
                await system.stop(component)
    async with stage.fault("FogbellSweepAbsent"):
        await system.stop_retry()
        stage.scrape()
    async with stage.fault("FogbellNothingKnown"):
        stage.targets.replace([])


async def _frozen(
    stage: Stage, mongodb: MongoServer, alert: str, *, frozen: float, thawed: float
) -> None:
    """Freeze MongoDB, for so many seconds at a time, until ``alert`` rings."""

    async def pulse(_: Stage) -> None:
        mongodb.freeze()
        await asyncio.sleep(frozen)
        mongodb.thaw()
        await asyncio.sleep(thawed)

    async with stage.fault(alert), repeated(pulse, stage):
        await stage.witness.until_rings(alert, 60)
    mongodb.thaw()


@contextlib.asynccontextmanager
async def repeated(what: Callable[[Stage], Awaitable[None]], stage: Stage) -> AsyncIterator[None]:
    """Do it again and again while the block lasts."""

    async def for_ever() -> None:
        while True:
            await what(stage)

    task = asyncio.create_task(for_ever())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def all_is_well_again(stage: Stage) -> None:
    """Once each fault is mended, all that rang falls silent, while mails go on."""
    system = stage.system
    await system.add_worker()
    await system.start_retry()
    stage.scrape()
    await stage.witness.until_silent(EXPECTED, 180)
