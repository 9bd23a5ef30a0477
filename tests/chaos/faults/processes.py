"""Fogbell's own processes: killed, stopped for longer than their leases, with a wrong clock."""

import asyncio
import contextlib
from dataclasses import dataclass

from tests.chaos.faults.fault import Fault
from tests.chaos.fleet import Slot
from tests.chaos.kinds import Kind
from tests.chaos.witness import witness
from tests.support.waiting import eventually

RUNNER_SECONDS = 15.0
WORK_RUNS, WORK_LEASES, WORK_SECONDS = 2, 3, 5.0
"""So many bulk runs besides, and leases on chunks, before a worker is struck."""

_UNDER_WORK = frozenset({Kind.KILL_WORKER, Kind.FREEZE_WORKER})


@dataclass
class _OfSlot(Fault):
    """Strikes one process of the fleet."""

    slot: Slot | None = None

    def _slots(self) -> list[Slot]:
        fleet = self.ground.fleet
        if self.planned.kind is Kind.KILL_INTAKE:
            return fleet.intakes
        if self.planned.kind is Kind.KILL_RETRY:
            return [fleet.retry]
        return fleet.bulk_workers if self.planned.kind in _UNDER_WORK else fleet.workers

    def _strike(self) -> Slot:
        self.slot = self.choose(self._slots())
        self.struck = self.slot.label
        return self.slot

    async def _under_work(self) -> None:
        """Return once bulk workers hold something: to strike an idle one shows nothing."""
        if self.planned.kind not in _UNDER_WORK:
            return
        self.ground.load.burst(WORK_RUNS)
        async with self.ground.database() as db:

            async def held() -> bool:
                return await db.chunks.count_documents({"until": {"$exists": True}}) >= WORK_LEASES

            # A busy machine may do them one by one: then one it is.
            with contextlib.suppress(AssertionError):
                await eventually(held, WORK_SECONDS, 0.02)

    @property
    def _struck(self) -> Slot:
        assert self.slot is not None, "it has not begun"
        return self.slot


class Kill(_OfSlot):
    """SIGKILL, as by the kernel that is out of memory; another is started, as by Kubernetes."""

    async def start(self) -> None:
        """Kill it."""
        await self._under_work()
        await self._strike().kill()

    async def heal(self) -> None:
        """Start another in its place."""
        await self._struck.start()


class Freeze(_OfSlot):
    """SIGSTOP for longer than a lease and the hold after it: what it held is taken over.

    What wakes up then must change nothing that others have settled.
    """

    async def start(self) -> None:
        """Stop it."""
        await self._under_work()
        await asyncio.to_thread(self._strike().running.program.freeze)

    async def heal(self) -> None:
        """Note what others have settled, then let it go on."""
        await witness(self.ground)
        await asyncio.to_thread(self._struck.running.program.thaw)


class WrongClock(_OfSlot):
    """A worker whose clock is seven minutes off, from its start to its end."""

    async def start(self) -> None:
        """Replace it by one that lives in another time."""
        slot = self._strike()
        shift = "+7m" if self.planned.pick * 1000 % 2 < 1 else "-7m"
        self.struck += f" {shift}"
        await slot.stop()
        slot.extra = {
            "LD_PRELOAD": str(self.ground.programs.faketime),
            "FAKETIME": shift,
            # What a process measures spans by is right on a machine with a wrong clock, too.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        await slot.start()

    async def heal(self) -> None:
        """Replace it by one with the right time."""
        slot = self._struck
        await slot.stop()
        slot.extra = {}
        await slot.start()


class KillRunner(Fault):
    """SIGKILL for the pod of a campaign's run, in the middle if there is one."""

    async def start(self) -> None:
        """Kill one; where none is there, a run is fired first."""
        campaigns = self.ground.campaigns
        if not campaigns.pods:
            campaigns.fire()
        await eventually(lambda: campaigns.pods, RUNNER_SECONDS, 0.05)
        pod = self.choose(campaigns.pods)
        # So far that it has begun: Python alone takes most of a second.
        await asyncio.sleep(1 + self.planned.pick)
        self.struck = f"pid {pod.pid}"
        await campaigns.kill(pod)

    async def heal(self) -> None:
        """The Job starts another by itself."""
