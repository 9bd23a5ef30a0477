"""How workers end: killed, told to stop, or killed by what they were given."""

from uuid import UUID

import pytest
from tests.support.account import Account, email_ids
from tests.support.system import LONG_LEASES, Ground, System, mail, when

from fogbell_local.sink.server import Behaviour

PEOPLE = [[f"p{n}@{half}.example.org" for n in range(750)] for half in ("north", "south")]
EVERYBODY = sum(len(half) for half in PEOPLE)


async def _posted(system: System) -> tuple[list[str], set[UUID]]:
    """Two bulk runs; their ids, and those of all their deliveries."""
    ids = [(await system.post(mail(*half)))["id"] for half in PEOPLE]
    return ids, set().union(*(email_ids(i, half) for i, half in zip(ids, PEOPLE, strict=True)))


async def _settled(system: System, ids: list[str], expected: set[UUID]) -> Account:
    # What a killed worker held is tried alone, one after the other.
    await system.settled(*ids, within=150)
    account = await system.account(*ids, expected=expected)
    assert account.statuses == {"delivered": EVERYBODY}
    return account


@pytest.mark.timeout(300)
async def test_a_killed_worker_loses_nothing_and_repeats_only_what_it_held(ground: Ground) -> None:
    ground.sink.restart(Behaviour(delay=0.02))
    async with System(ground) as system:
        ids, expected = await _posted(system)
        await when(lambda: system.accepted_mails() > EVERYBODY / 4)
        await system.kill(system.worker(0))
        await system.add_worker()
        account = await _settled(system, ids, expected)
        assert account.lost_leases > 0


@pytest.mark.timeout(300)
async def test_a_worker_told_to_stop_loses_nothing_and_repeats_nothing(ground: Ground) -> None:
    ground.sink.restart(Behaviour(delay=0.02))
    async with System(ground, settings=LONG_LEASES) as system:
        ids, expected = await _posted(system)
        await when(lambda: system.accepted_mails() > EVERYBODY / 4)
        assert await system.stop(system.worker(0)) == 0
        assert system.accepted_mails() < EVERYBODY
        await system.add_worker()
        account = await _settled(system, ids, expected)
        assert (account.lost_leases, account.duplicates) == (0, 0)
