"""A run's course: load, one fault after the other, and then rest."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass

from tests.chaos.faults import fault_of
from tests.chaos.ground import Ground
from tests.chaos.plan import Planned
from tests.chaos.rest import come_to_rest
from tests.chaos.sizes import Sizes
from tests.chaos.witness import witness
from tests.support.making import Say

HEAD_START = 0.7
"""Seconds that a bulk run has before a fault strikes it: it is being expanded and sent by then."""


@dataclass(frozen=True, slots=True)
class Happened:
    """A fault that was planned: when it began and was healed (seconds since the epoch), and what
    it struck.
    """

    planned: Planned
    began: float
    healed: float
    struck: str


async def tell(ground: Ground, plan: Iterable[Planned], sizes: Sizes, say: Say) -> list[Happened]:
    """Post all the while, and let happen what is planned."""
    ground.load.start()
    ground.campaigns.start(sizes.campaign)
    happened = [await _happen(ground, planned, say) for planned in plan]
    # So that what comes after the last one is seen, too.
    await asyncio.sleep(sizes.after)
    ground.load.stop()
    ground.campaigns.stop()
    return happened


async def rest(ground: Ground, sizes: Sizes, say: Say) -> str:
    """Wait until all is at rest; what is not, else ""."""
    say("all is healed; waiting until nothing is under way")
    began = time.monotonic()
    left = await come_to_rest(ground, sizes.rest_seconds)
    took = time.monotonic() - began
    say(f"not at rest after {took:.0f} s: {left}" if left else f"at rest after {took:.1f} s")
    return left


async def _happen(ground: Ground, planned: Planned, say: Say) -> Happened:
    await asyncio.sleep(planned.pause)
    ground.load.burst()
    await asyncio.sleep(HEAD_START)
    fault = fault_of(planned, ground)
    began = time.time()
    await fault.start()
    await asyncio.sleep(planned.lasts)
    await fault.heal()
    healed = time.time()
    await witness(ground)
    say(f"{planned.number:3}  {fault.name:18} {healed - began:5.1f} s  {fault.struck}")
    return Happened(planned, began, healed, fault.struck)
