"""The steps at which processes are made to die are those of the source, whatever it is today."""

import ast
from pathlib import Path

import pytest
from tests.crash.points import EXEMPT, OPERATOR, Side, Step, armed, found_in, source_path, steps
from tests.crash.scenarios import SCENARIOS

SOURCE = """
class Sender:
    async def send(self, db):
        await db.deliveries.update_one({}, {})
        async def both(session):
            return await db.deliveries.update_one({}, {})
        await db.deliveries.find_one({})
        await db.deliveries.update_one({}, {})
        await db.handle.command("hello")
        await self.publisher.publish(channel, lane, ids)
"""


def test_every_step_of_the_source_has_a_scenario() -> None:
    found = {str(step) for step in steps()}
    missing = sorted(found - SCENARIOS.keys())
    assert not missing, f"say in SCENARIOS who dies there, or in EXEMPT why nobody: {missing}"
    assert not SCENARIOS.keys() - found, "a scenario for what is no step any more"


def test_every_exemption_is_of_something_that_is_there() -> None:
    every = [*steps(exempt=True), *steps(OPERATOR, exempt=True)]
    assert {step.exempt for step in every} == EXEMPT.keys()


def test_writes_and_messages_are_steps_and_reads_are_none() -> None:
    assert [str(step) for step in found_in("shop", SOURCE)] == [
        "shop:Sender.send.update_one",
        "shop:Sender.send.both.update_one",
        "shop:Sender.send.update_one#2",
        "shop:Sender.send.publish",
    ]


@pytest.mark.parametrize("step", [*steps(), *steps(OPERATOR)], ids=str)
def test_a_step_is_found_by_its_name_and_died_at_in_its_module_alone(step: Step) -> None:
    assert Step.parse(str(step)) == step
    source = Path(source_path(step.module)).read_text()
    plain = compile(ast.parse(source), source_path(step.module), "exec")
    before, after = (armed(step, side, source) for side in Side)
    assert plain != before != after != plain
