"""A process may die before and after any step of the protocol: nothing is lost, and a second copy
is there only where it is written down why.
"""

from collections.abc import AsyncIterator

import pytest
from tests.crash.points import Side, Step, steps
from tests.crash.scenarios import SCENARIOS, Scenario
from tests.crash.stage import TIMES, Stage
from tests.support.system import Ground, System

ROUNDS = 4


def _cases() -> list[object]:
    return [
        pytest.param(step, side, scenario, id=f"{step}-{scenario.victim}{number or ''}-{side}")
        for step in steps()
        for number, scenario in enumerate(SCENARIOS.get(str(step), []))
        for side in Side
    ]


@pytest.fixture(scope="module")
async def stage(module_ground: Ground) -> AsyncIterator[Stage]:
    async with System(module_ground, workers=0, retry=False, settings=TIMES) as system:
        yield Stage(module_ground, system)


@pytest.mark.parametrize(("step", "side", "scenario"), _cases())
async def test_whoever_dies_there_loses_nothing(
    stage: Stage, step: Step, side: Side, scenario: Scenario
) -> None:
    await stage.begin(scenario.victim, *scenario.without, **scenario.settings)
    try:
        await _die(stage, step, side, scenario)
        stage.quick_sink()
        for component in (scenario.victim, *scenario.without):
            await stage.put_back(component)
        for done in stage.afterwards:
            await done()
        await stage.settled()
        await stage.deleted()
        for holds in stage.checks:
            await holds()
    finally:
        await stage.end(*([scenario.victim] if scenario.settings else []))


async def _die(stage: Stage, step: Step, side: Side, scenario: Scenario) -> None:
    if scenario.before is not None:
        await scenario.before(stage)
    for _ in range(ROUNDS):
        if stage.victim_has_ended:
            await stage.start_victim(scenario.victim, step, side)
        await scenario.work(stage)
        if await stage.death():
            return
    pytest.fail(f"no {scenario.victim} has come to {step}: give it other work")
