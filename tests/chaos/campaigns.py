"""Campaigns' runs: each a Job, whose pod is started again until it ends well."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

from tests.chaos import books
from tests.chaos.books import Books
from tests.chaos.fleet import LINES, is_defect
from tests.chaos.people import GROUP, People
from tests.support.campaigns import new_run, start_pod
from tests.support.waiting import eventually

from fogbell.model.status import Channel
from fogbell_campaign.run import Run
from fogbell_local.processes import Program

LOOK_SECONDS = 0.1
BACKOFF_SECONDS = 1.0
JOB_SECONDS = 900.0
"""As ``activeDeadlineSeconds``: longer than any outage of a plan."""

PACES = (None, 200, 1000)
"""What a run may be throttled to, in deliveries a second."""


@dataclass
class Campaigns:
    """Fires runs over everybody in the directory until it is told to stop."""

    books: Books
    people: People
    settings: Mapping[str, str]
    directory: Path
    chance: Random
    pods: list[Program] = field(default_factory=list)
    defects: list[str] = field(default_factory=list)
    """Pods that ended by a defect of theirs."""
    _killed: set[int] = field(default_factory=set)
    _jobs: set[asyncio.Task[None]] = field(default_factory=set)
    _firing: asyncio.Task[None] | None = None
    _started: int = 0

    def start(self, pace: float) -> None:
        """Fire a run every ``pace`` seconds."""
        self._firing = asyncio.create_task(self._fire_all(pace))

    def stop(self) -> None:
        """Fire no more; the Jobs go on."""
        if self._firing is not None:
            self._firing.cancel()

    async def ended(self) -> None:
        """Return once every Job has ended well."""
        while self._jobs:
            await asyncio.wait(set(self._jobs))

    async def abandon(self) -> None:
        """End what is still there."""
        tasks = [*self._jobs, *([self._firing] if self._firing else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(asyncio.to_thread(pod.kill) for pod in self.pods))

    def fire(self) -> None:
        """Start a Job."""
        job = asyncio.create_task(self._job())
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    async def kill(self, pod: Program) -> None:
        """SIGKILL for ``pod``, which so does not end by itself."""
        self._killed.add(pod.pid)
        await asyncio.to_thread(pod.kill)

    @property
    def waiting(self) -> int:
        """Jobs that have not ended."""
        return len(self._jobs)

    async def _fire_all(self, pace: float) -> None:
        while True:
            self.fire()
            await asyncio.sleep(pace)

    async def _job(self) -> None:
        run = self._new_run()
        self.books.attempted.add(run.id)
        await eventually(partial(self._ends_well, run), JOB_SECONDS, BACKOFF_SECONDS)
        channels = [Channel(channel) for channel in run.spec.channels]
        self.books.accept(run.id, books.named(run.id, self.people.names, channels))

    def _new_run(self) -> Run:
        pace = self.chance.choice(PACES)
        throttle = None if pace is None else {"perSecond": pace}
        return new_run(
            job="by-hand",
            controller=f"job-{self.books.fresh()}",
            audience={"groups": [GROUP]},
            throttle=throttle,
        )

    async def _ends_well(self, run: Run) -> bool:
        """Start a pod, and wait for its end."""
        self._started += 1
        name = f"pod-{self._started}"
        pod = await asyncio.to_thread(start_pod, run, name, self.directory, self.settings)
        self.pods.append(pod)
        await eventually(lambda: pod.exit_status is not None, JOB_SECONDS, LOOK_SECONDS)
        self.pods.remove(pod)
        await asyncio.to_thread(pod.terminate, 0)
        status = pod.exit_status
        if (
            status
            and pod.pid not in self._killed
            and is_defect("campaign", status, pod.tail(LINES))
        ):
            self.defects.append(f"{name} (pid {pod.pid}), exit status {status}:\n{pod.tail()}")
        return status == 0
