"""Fogbell's components as processes, with the settings of an installation: the defaults."""

import asyncio
import json
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import httpx2

from bench.noop import installed
from bench.people import GROUP
from bench.plot import ROOT, Plot, python
from bench.proof import until
from bench.usage import Usage
from fogbell.identity import run_id
from fogbell.model.campaign import CampaignSpec, Firing
from fogbell.model.notification import Notification
from fogbell_campaign.run import Run
from fogbell_local import environment, processes
from fogbell_local.environment import HOST, Place, Secrets
from fogbell_local.processes import Program
from fogbell_local.servers.ports import free_ports

Json = dict[str, Any]

SECRETS = Secrets(api_key="fbk_" + "b" * 40, inbox_token="b" * 43)
HEADERS = {"Authorization": f"Bearer {SECRETS.api_key}"}
CAMPAIGN_UID = "6f1c0f4e-0006-4000-8000-000000000006"
SHORT_CONTENT: Json = {"email": {"subject": "Fog tonight", "text": "The bell will ring."}}
RUN_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Component:
    """One process; ``started`` is when, in seconds since the epoch."""

    program: Program
    metrics_port: int
    started: float

    def is_ready(self) -> bool:
        """Whether it says that it can work."""
        return processes.answers(f"http://{HOST}:{self.metrics_port}/readyz")


async def start_workers(plot: Plot, count: int, **settings: str) -> list[Component]:
    """Start workers, and wait until each consumes."""
    found = [await start_worker(plot, **settings) for _ in range(count)]
    await ready(found)
    return found


async def start_worker(plot: Plot, **settings: str) -> Component:
    """Start one worker, without the no-op provider unless ``settings`` name it."""
    place = _place(plot, settings.pop("smtp_url", "smtp://127.0.0.1:1"))
    port = free_ports(1)[0]
    told = environment.worker({}, place, port) | {"FOGBELL_CHANNELS": "email"} | settings
    told["PYTHONPATH"] = os.pathsep.join([str(installed(plot.ground.directory)), str(ROOT)])
    return await _start(plot, "worker", told, place, port)


NOOP = {"FOGBELL_PROVIDERS__EMAIL": "noop", "FOGBELL_PROVIDER__NOOP__KIND": "noop"}
"""Settings of a worker whose e-mails go nowhere."""


async def start_intake(plot: Plot, **settings: str) -> tuple[Component, int]:
    """Start one intake and wait for it; also the port it serves."""
    place = _place(plot)
    port, metrics_port = free_ports(2)
    told = environment.intake(SECRETS, port, metrics_port) | settings
    component = await _start(plot, "intake", told, place, metrics_port)
    await ready([component])
    return component, port


async def start_runner(
    plot: Plot, content: Json, *, per_second: int | None = None, **settings: str
) -> tuple[Component, UUID]:
    """Start the runner of a campaign to everyone of the directory; also its run's id.

    ``per_second`` is its throttle.
    """
    throttle = {} if per_second is None else {"throttle": {"perSecond": per_second}}
    place, port, controller = _place(plot), free_ports(1)[0], str(uuid4())
    told = {
        "FOGBELL_CAMPAIGN__SPEC": json.dumps(_spec(content) | throttle),
        "FOGBELL_CAMPAIGN__NAMESPACE": "bench",
        "FOGBELL_CAMPAIGN__NAME": "bench",
        "FOGBELL_CAMPAIGN__UID": CAMPAIGN_UID,
        "FOGBELL_CAMPAIGN__JOB_NAME": "by-hand",
        "FOGBELL_CAMPAIGN__CONTROLLER_UID": controller,
        "FOGBELL_METRICS__PORT": str(port),
        "FOGBELL_TERMINATION_LOG": str(plot.path("termination")),
    } | settings
    component = await _start(plot, "campaign", told, place, port)
    return component, run_id(CAMPAIGN_UID, f"manual:{controller}")


async def cancel(port: int, notification: UUID) -> None:
    """Send no more of it; returns once all of it is settled that is not being sent."""
    url = f"http://{HOST}:{port}/v1/notifications/{notification}/cancel"
    answer = await asyncio.to_thread(
        httpx2.post, url, headers=HEADERS, timeout=60.0, trust_env=False
    )
    answer.raise_for_status()


async def sweep_on(plot: Plot) -> None:
    """Run one window of retry after another, as its CronJob does, until cancelled."""
    while True:
        place, port = _place(plot), free_ports(1)[0]
        told = environment.retry(processes.job_name(time.time()), port)
        window = await _start(plot, "retry", told, place, port)
        await ended(window)
        plot.started.remove(window.program)


def run_notification(now: datetime) -> Notification:
    """What the runner of such a campaign stores."""
    spec = CampaignSpec.model_validate(_spec(SHORT_CONTENT))
    run = Run(spec, "bench", "bench", CAMPAIGN_UID, Firing("manual:bench"))
    return run.notification(None, now)


def _spec(content: Json) -> Json:
    """A campaign to everyone."""
    return {
        "schedule": "0 2 * * *",
        "audience": {"groups": [GROUP]},
        "channels": ["email"],
        "content": content,
    }


class Watch:
    """Watches a job until it ends: what it has used is not to be seen any more after that."""

    def __init__(self, component: Component) -> None:
        self._component = component
        self.peak = 0
        self.at = 0.0

    async def ended(self, within: float = RUN_SECONDS) -> None:
        """Wait for its end, which has to be a good one."""
        await until(self._look, [], within)
        await ended(self._component)

    def _look(self) -> bool:
        program = self._component.program
        self.peak, self.at = max(self.peak, Usage.of(program.pid).peak), time.time()
        return program.exit_status is not None


async def ended(component: Component, within: float = RUN_SECONDS) -> None:
    """Wait for a job's end, which has to be a good one."""
    program = component.program
    await until(lambda: program.exit_status is not None, [], within)
    if program.exit_status != 0:
        raise RuntimeError(f"it ended with {program.exit_status}:\n{program.tail()}")


async def confirms(intake: Component) -> bool:
    """Whether anything it has published was confirmed: it accepts before it has a broker, and the
    sweep would publish what it accepted by then.
    """
    url = f"http://{HOST}:{intake.metrics_port}/metrics"
    response = await asyncio.to_thread(httpx2.get, url, trust_env=False)
    return re.search(r'outcome="confirmed"\} [1-9]', response.text) is not None


async def ready(components: list[Component], within: float = 60.0) -> None:
    """Wait until each can work."""
    programs = [component.program for component in components]
    for component in components:
        while not await asyncio.to_thread(component.is_ready):
            await until(lambda: True, programs, within)
            await asyncio.sleep(0.02)


async def _start(
    plot: Plot, name: str, told: Mapping[str, str], place: Place, port: int
) -> Component:
    whole = environment.common({}, place) | dict(told)
    started = time.time()
    program = await plot.start(name, python("-m", f"fogbell_{name}"), whole)
    return Component(program, port, started)


def _place(plot: Plot, smtp_url: str = "smtp://127.0.0.1:1") -> Place:
    return Place(
        mongodb=plot.mongodb,
        rabbitmq=plot.rabbitmq,
        smtp_url=smtp_url,
        webhook_port=1,
        database=plot.database,
        prefix=plot.prefix,
    )
