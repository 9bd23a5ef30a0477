"""The proof: the whole system, real Prometheus and Alertmanager, and the faults of the runbooks.

Each alert of what runs here reaches Alertmanager while its fault lasts, and is silent before and
after; each expression of each panel has data; sums agree with MongoDB. The operator's are proven on
a cluster.
"""

import asyncio
from pathlib import Path

import pytest
from monitoring.dashboards import DELIVERY, OVERVIEW, PLUMBING
from monitoring.rules import rules
from tests.live import faults
from tests.live.stage import Stage
from tests.support.prometheus import Targets, Watch
from tests.support.system import Ground, System, mail
from tests.support.waiting import eventually
from tests.support.watching import AIM, Witness

from fogbell_local.servers import MongoServer, RabbitServer
from fogbell_local.sink import SinkServer

FACTOR = 60
"""Every duration of alerts and panels is so many times as short: minutes are seconds."""

HERE = {"namespace": "notify", "release": "fogbell"}
SETTINGS = {
    "FOGBELL_PROTOCOL__EXPANSION_FAILURES": "1",
    "FOGBELL_EMAIL__RATE_PER_SECOND": "1000",
}
OF_INTAKE = {"FOGBELL_METRICS__REFRESH_SECONDS": "0.5"}
PEOPLE = 200


@pytest.mark.timeout(1200)
async def test_every_alert_rings_for_its_fault_and_every_panel_has_data(
    own_mongo: MongoServer,
    own_rabbit: RabbitServer,
    mail_sink: SinkServer,
    tmp_path: Path,
    panels_folder: Path | None,
) -> None:
    ground = Ground(own_mongo.uri, own_rabbit.uri, "live", "live.", mail_sink, tmp_path)
    shipped = rules(HERE, AIM, factor=FACTOR, operator=False)
    targets = Targets(tmp_path / "targets.json", HERE)
    async with System(ground, settings=SETTINGS, of_intake=OF_INTAKE) as system:
        with Watch(tmp_path / "watch", shipped, [targets.scrape()]) as watch:
            witness = Witness(watch, HERE, FACTOR, operator=False)
            stage = Stage(system, targets, witness)
            await stage.watched()
            async with stage.looking():
                await sums_agree_with_mongodb(stage)
                # A process of sweeps starts as slowly as ever: as durations are scaled here, its
                # seconds count as minutes.
                assert witness.ever <= {"FogbellSweepAbsent"}
                async with stage.traffic():
                    await every_fault(stage, own_mongo, own_rabbit, tmp_path)
                    await faults.all_is_well_again(stage)
            if panels_folder:
                witness.keep((OVERVIEW, DELIVERY, PLUMBING), panels_folder)
            assert witness.complaints() == []


async def every_fault(
    stage: Stage, mongodb: MongoServer, rabbitmq: RabbitServer, directory: Path
) -> None:
    """One after another; what has to be gone for an alert to ring is taken away last."""
    await faults.a_relay_that_is_away(stage)
    await faults.a_relay_that_refuses_for_good(stage)
    await faults.a_relay_that_is_slow(stage)
    await faults.receivers_that_are_gone(stage)
    await faults.a_stranger_at_the_queues(stage)
    await faults.an_expansion_that_meets_a_defect(stage)
    await faults.a_runner(stage, directory)
    await faults.workers_that_die(stage)
    await faults.rabbitmq_that_is_away(stage, rabbitmq)
    await faults.mongodb_that_is_slow(stage, mongodb)
    await faults.mongodb_that_is_away(stage, mongodb)
    await faults.nobody_works(stage)
    await faults.nobody_sweeps(stage)
    await faults.nothing_is_scraped(stage)


async def sums_agree_with_mongodb(stage: Stage) -> None:
    """What Prometheus adds up is what MongoDB has; nothing rings meanwhile."""
    system = stage.system
    # Of bulk nobody promises how soon it arrives.
    posts = [
        await system.post(mail(*(f"{batch}-{n}@example.org" for n in range(PEOPLE)), lane="bulk"))
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
            samples = await asyncio.to_thread(stage.witness.watch.query, expression)
            found[expression] = samples[0].value if samples else None
        assert found == expected
        return True

    # What is outstanding is counted once a minute.
    await eventually(agree, 80, 0.5)
    assert delivered == 3 * PEOPLE
