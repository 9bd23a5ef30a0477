"""What Prometheus finds at the components' ports while they work, and after they have ended."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace

import httpx2
from prometheus_client.parser import text_string_to_metric_families
from tests.support.system import Ground, System, mail
from tests.support.waiting import eventually

from fogbell_local.processes import Component
from fogbell_local.servers import RabbitServer
from fogbell_local.sink.server import Behaviour

Samples = Mapping[str, float]

QUICKLY = {"FOGBELL_METRICS__REFRESH_SECONDS": "0.2"}


async def scraped(component: Component) -> Samples:
    """What ``component`` serves, by name and labels as they are written."""
    async with httpx2.AsyncClient(trust_env=False, timeout=60) as client:
        text = (await client.get(f"http://127.0.0.1:{component.port}/metrics")).text
    return {
        sample.name + "".join(f",{k}={v}" for k, v in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def until(component: Component, expected: Samples, within: float = 20) -> Samples:
    """What it serves once ``expected`` is in it."""
    last: dict[str, float | None] = {}

    async def there() -> Samples:
        found = await scraped(component)
        last.update({name: found.get(name) for name in expected})
        assert last == expected
        return found

    return await eventually(there, within, 0.2)


async def test_what_a_job_has_done_is_shown_after_its_end(ground: Ground) -> None:
    async with System(ground, retry=False, of_intake=QUICKLY) as system:
        await system.post(mail("ann@example.org"))
        await eventually(lambda: system.db.deliveries.find_one({"status": "delivered"}))
        # What is outstanding is counted as a window begins: it finds all of it done.
        await system.start_retry()
        done = {
            "fogbell_notifications_settled_total": 1.0,
            "fogbell_outstanding,status=pending": 0.0,
            "fogbell_oldest_outstanding_seconds,channel=email,lane=transactional": 0.0,
        }
        await until(system.intake, done)
        await system.stop_retry()
        found = await scraped(system.intake)
        assert done.items() <= found.items()
        assert found["fogbell_sweeps_total,outcome=done"] >= 1
        assert time.time() - found["fogbell_sweep_last_timestamp_seconds"] < 60


async def test_traffic_errors_and_both_servers_are_shown_as_clients_see_them(
    ground: Ground,
) -> None:
    async with System(ground, retry=False) as system:
        await system.post(mail("ann@example.org"))
        # It is published after the answer.
        await until(system.intake, {"fogbell_publish_duration_seconds_count": 1})
        await system.client.post("/v1/notifications", json={})
        await system.client.get("/nowhere")
        found = await scraped(system.intake)
        requests = "fogbell_http_requests_total,code={},method={},route={}"
        assert found[requests.format(202, "POST", "/v1/notifications")] == 1
        assert found[requests.format(422, "POST", "/v1/notifications")] == 1
        assert found[requests.format(404, "GET", "unmatched")] == 1
        taken = "fogbell_http_request_duration_seconds_count,method=POST,route=/v1/notifications"
        assert found[taken] == 2
        assert found["fogbell_http_requests_in_progress"] == 0
        assert found["fogbell_mongodb_command_duration_seconds_count,command=insert"] >= 1
        assert found["process_resident_memory_bytes"] > 1e6
        connected = "fogbell_rabbitmq_connected,connection={}"
        assert found[connected.format("publisher")] == found[connected.format("listener")] == 1
        served = await scraped(system.worker(0))
        assert served[connected.format("email.transactional")] == 1


async def test_queues_show_what_waits_and_that_nobody_takes_it(ground: Ground) -> None:
    queue = "queue=email.transactional"
    async with System(ground, retry=False, of_intake=QUICKLY) as system:
        await until(system.intake, {f"fogbell_queue_consumers,{queue}": 1})
        await system.stop(system.worker(0))
        await system.post(mail("ann@example.org"))
        await until(
            system.intake,
            {f"fogbell_queue_consumers,{queue}": 0, f"fogbell_queue_messages,{queue}": 1},
        )


async def test_queues_of_a_broker_that_goes_away_are_shown_no_more(
    ground: Ground, own_rabbit: RabbitServer
) -> None:
    own, queue = replace(ground, rabbitmq=own_rabbit.uri), "fogbell_queue_messages,queue=dead"
    async with System(own, workers=0, retry=False, of_intake=QUICKLY) as system:
        await until(system.intake, {queue: 0})
        await asyncio.to_thread(own_rabbit.kill)
        await until(system.intake, {"fogbell_rabbitmq_connected,connection=publisher": 0})
        await eventually(lambda: _lacks(system.intake, "fogbell_queue_"), 20, 0.2)
        await asyncio.to_thread(own_rabbit.restart)
        await until(system.intake, {queue: 0})


async def _lacks(component: Component, prefix: str) -> bool:
    return not [name for name in await scraped(component) if name.startswith(prefix)]


async def test_what_holds_sends_back_is_shown_beside_its_bound(ground: Ground) -> None:
    limited = {"FOGBELL_EMAIL__RATE_PER_SECOND": "50", "FOGBELL_TRANSACTIONAL__SLOTS": "2"}
    await asyncio.to_thread(ground.sink.restart, Behaviour(delay=0.5))
    async with System(ground, settings=limited) as system:
        worker, lane = system.worker(0), ",channel=email,lane=transactional"
        # So many that both are taken for some seconds.
        post = await system.post(mail(*(f"ann{n}@example.org" for n in range(12))))
        found = await until(worker, {f"fogbell_send_slots_taken{lane}": 2.0})
        assert found[f"fogbell_send_slots{lane}"] == 2.0
        assert found["fogbell_provider_rate_limit_per_second,channel=email,provider=smtp"] == 50.0
        await until(worker, {f"fogbell_send_slots_taken{lane}": 0.0})
        await system.settled(post["id"])
