"""A delivery that ends every worker that tries it is given up, and takes no other with it."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.account import email_ids
from tests.support.poisoned_worker import POISON
from tests.support.system import Ground, System, mail

from fogbell_local import environment
from fogbell_local.processes import Program
from fogbell_local.servers.ports import free_ports
from fogbell_local.sink.server import Behaviour

ROOT = Path(__file__).parents[2]
COMPANIONS = [f"companion-{n}@example.org" for n in range(120)]
SHORT_LEASES = {
    "FOGBELL_PROTOCOL__LEASE_SECONDS": "3",
    "FOGBELL_PROTOCOL__LEASE_MARGIN_SECONDS": "0.5",
    "FOGBELL_EMAIL__SEND_TIMEOUT": "2",
    "FOGBELL_WEBHOOK__SEND_TIMEOUT": "2",
    "FOGBELL_PROTOCOL__GRACE_SECONDS": "1",
}


@contextlib.asynccontextmanager
async def _kept_alive(system: System) -> AsyncIterator[list[Program]]:
    """A worker that is started again whenever it ends, as Kubernetes would do it."""
    lives: list[Program] = []

    def begin() -> None:
        port = free_ports(1)[0]
        environ = environment.worker(system.environ(), system.place, port)
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        whole = {**system.environ(), **environ, "PYTHONPATH": os.pathsep.join(paths)}
        command = [sys.executable, "-m", "tests.support.poisoned_worker"]
        lives.append(Program(command, system.logs / "poisoned.log", env=whole))

    async def keep() -> None:
        while True:
            if not lives or lives[-1].exit_status is not None:
                await asyncio.to_thread(begin)
            await asyncio.sleep(0.1)

    keeping = asyncio.create_task(keep())
    try:
        yield lives
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        for life in lives:
            await asyncio.to_thread(life.terminate, 10)


@pytest.mark.timeout(300)
async def test_what_ends_every_worker_is_given_up_and_its_companions_are_delivered(
    ground: Ground,
) -> None:
    # A slow relay: when the worker dies, companions are under way.
    ground.sink.restart(Behaviour(delay=0.3))
    async with System(ground, workers=0, settings=SHORT_LEASES) as system:
        people = [POISON, *COMPANIONS]
        posted = await system.post(mail(*people))
        async with _kept_alive(system) as lives:
            await system.settled(posted["id"], within=150)
        account = await system.account(posted["id"], expected=email_ids(posted["id"], people))
        (poison,) = email_ids(posted["id"], [POISON])
        given_up = account.records[poison]
        assert (given_up["status"], given_up["reason"]) == ("dead", "lost_leases")
        assert given_up["attempt_count"] == 0
        outcomes = [attempt["outcome"] for attempt in given_up["attempts"]]
        assert outcomes == ["lease_expired"] * given_up["lost_leases"]
        assert account.statuses == {"dead": 1, "delivered": len(COMPANIONS)}
        # Once with its batch, three times alone: no worker more has to die of it.
        assert given_up["lost_leases"] == 4
        assert len(lives) == 5
