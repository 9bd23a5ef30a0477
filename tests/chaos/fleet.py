"""Fogbell's processes, kept running as Kubernetes would: what ends is started again.

A fault holds a place back while its process shall be away, and gives it free again.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.sizes import SHORTENED, Sizes
from tests.support.system import SECRETS

from fogbell_local import environment, processes
from fogbell_local.environment import HOST, Place
from fogbell_local.processes import Component
from fogbell_local.providers import offered
from fogbell_local.servers.ports import free_ports

RESTART_SECONDS = 1.0
"""Until what has ended by itself is started again."""

LOOK_SECONDS = 0.1
BULK_LABEL = "worker-b"
JOBS = frozenset({"retry", "campaign"})
TRACEBACK = "Traceback (most recent call last)"
FIRST_SIGNAL = 128
LINES = 300
"""Of a log, in which a traceback is looked for."""

Settings = Mapping[str, str]


@dataclass
class Slot:
    """The place of one process: one runs there at a time, under one label, on the same ports.

    ``settings`` are asked for at each start. ``restarts``: those that nobody had ended, and that
    were started again; ``defects``: those of them that no outage explains.
    """

    name: str
    label: str
    port: int
    logs: Path
    settings: Callable[[], Settings]
    component: Component | None = None
    extra: Settings = field(default_factory=dict)
    restarts: list[str] = field(default_factory=list)
    defects: list[str] = field(default_factory=list)
    _held: bool = True
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def start(self) -> None:
        """Start one, and do not wait until it can work."""
        async with self._turn:
            await self._start()

    async def _start(self) -> None:
        told = {**self.settings(), **self.extra}
        self.component = await asyncio.to_thread(
            processes.start, self.name, self.label, told, self.port, self.logs
        )
        self._held = False

    async def kill(self) -> None:
        """SIGKILL, and hold the place back until `start`."""
        async with self._turn:
            self._held = True
            await asyncio.to_thread(self.running.program.kill)

    async def stop(self) -> None:
        """SIGTERM, and hold the place back until `start`."""
        async with self._turn:
            self._held = True
            if self.component is not None:
                await asyncio.to_thread(self.component.program.terminate, processes.STOP_SECONDS)

    async def tend(self) -> None:
        """Start another where one has ended by itself. Retry's window ends as it should."""
        # A fault waits meanwhile: whom it kills has not ended by itself.
        async with self._turn:
            if self._held or (status := self.running.program.exit_status) is None:
                return
            component = self.running
            await asyncio.to_thread(component.program.terminate, 0)
            if (self.name, status) != ("retry", 0):
                self._note(component, status)
                await asyncio.sleep(RESTART_SECONDS)
            await self._start()

    def _note(self, component: Component, status: int) -> None:
        self.restarts.append(component.obituary())
        if is_defect(self.name, status, component.program.tail(LINES)):
            self.defects.append(f"{component.label} (pid {component.program.pid})")

    @property
    def running(self) -> Component:
        """The process that was started last."""
        assert self.component is not None, f"{self.label} has not been started"
        return self.component


def is_defect(name: str, status: int, log: str) -> bool:
    """Whether a process that has ended by itself, and not as it should, ended by a defect.

    Only jobs may end without success, where a server was away for all of their time: retry and a
    campaign's run. They say so with an exit status, and not with a traceback.
    """
    crashed = any(line.startswith(TRACEBACK) for line in log.splitlines())
    return crashed or status >= FIRST_SIGNAL or name not in JOBS


class Fleet:
    """Every long-lived component, and retry."""

    def __init__(self, place: Place, environ: Settings, logs: Path, sizes: Sizes) -> None:
        self._place = place
        self._environ = environ
        self._logs = logs
        self.urls: list[str] = []
        self.intakes = [self._intake(n + 1) for n in range(sizes.intakes)]
        self.workers = [
            *(self._worker(f"worker-t{n + 1}", "transactional")
              for n in range(sizes.transactional_workers)),
            *(self._worker(f"{BULK_LABEL}{n + 1}", "bulk") for n in range(sizes.bulk_workers)),
        ]  # fmt: skip
        self.retry = self._retry()
        self._tending: asyncio.Task[None] | None = None

    @property
    def slots(self) -> list[Slot]:
        """All of them."""
        return [*self.intakes, *self.workers, self.retry]

    async def start(self) -> None:
        """Start all and wait until each can work; look after them from then on."""
        await asyncio.gather(*(slot.start() for slot in self.slots))
        lasting = [slot.running for slot in self.slots if slot is not self.retry]
        await asyncio.gather(*(asyncio.to_thread(each.wait_ready) for each in lasting))
        self._tending = asyncio.create_task(self._tend())

    async def stop(self) -> None:
        """End all of them."""
        if self._tending is not None:
            self._tending.cancel()
            await asyncio.gather(self._tending, return_exceptions=True)
        await asyncio.gather(*(slot.stop() for slot in self.slots))

    def obituaries(self) -> Iterable[str]:
        """What has ended by itself, and the last it wrote."""
        return [text for slot in self.slots for text in slot.restarts]

    @property
    def bulk_workers(self) -> list[Slot]:
        """Those of the bulk lane."""
        return [slot for slot in self.workers if slot.label.startswith(BULK_LABEL)]

    def defects(self) -> Iterable[str]:
        """Who of those ended by a defect."""
        return [text for slot in self.slots for text in slot.defects]

    def common(self, component: str) -> dict[str, str]:
        """What ``component`` is told, as every other is."""
        told = environment.understood(component, self._environ, SHORTENED)
        return environment.common(told, self._place)

    def _intake(self, number: int) -> Slot:
        port, metrics_port = free_ports(2)
        self.urls.append(f"http://{HOST}:{port}")
        settings = (
            self.common("intake")
            | environment.intake(SECRETS, port, metrics_port)
            | offered(self._environ)
        )
        return self._slot("intake", f"intake-{number}", metrics_port, lambda: settings)

    def _worker(self, label: str, lane: str) -> Slot:
        port = free_ports(1)[0]
        own = environment.worker(self._environ, self._place, port)
        settings = {**self.common("worker"), **own, "FOGBELL_LANES": lane}
        return self._slot("worker", label, port, lambda: settings)

    def _retry(self) -> Slot:
        port, common = free_ports(1)[0], self.common("retry")
        return self._slot(
            "retry", "retry", port,
            lambda: common | environment.retry(processes.job_name(time.time()), port),
        )  # fmt: skip

    def _slot(self, name: str, label: str, port: int, settings: Callable[[], Settings]) -> Slot:
        return Slot(name, label, port, self._logs, settings)

    async def _tend(self) -> None:
        while True:
            await asyncio.gather(*(slot.tend() for slot in self.slots))
            await asyncio.sleep(LOOK_SECONDS)
