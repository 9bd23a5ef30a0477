"""One look at a time for each Campaign."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from fogbell_operator import turns as module
from fogbell_operator.errors import UnavailableError
from fogbell_operator.turns import Turns

Begin = Callable[..., Turns]


@pytest.fixture
async def begin() -> AsyncIterator[Begin]:
    made: list[Turns] = []

    def begin(look: Callable[[str], Awaitable[float | None]], at_once: int = 4) -> Turns:
        made.append(Turns(look, at_once))
        return made[-1]

    yield begin
    for turns in made:
        await turns.close()


async def test_what_is_asked_during_a_look_makes_one_more_look_and_no_second_at_once(
    begin: Begin,
) -> None:
    looks, gate = 0, asyncio.Event()

    async def look(_name: str) -> None:
        nonlocal looks
        looks += 1
        await gate.wait()

    turns = begin(look)
    first = turns.ask("a")
    await asyncio.sleep(0)
    later = [turns.ask("a") for _ in range(3)]
    assert looks == 1
    assert not first.done()
    gate.set()
    await asyncio.gather(first, *later)
    assert looks == 2


async def test_names_do_not_wait_for_each_other_up_to_a_limit(begin: Begin) -> None:
    at_work: set[str] = set()
    most = 0
    gate = asyncio.Event()

    async def look(name: str) -> None:
        nonlocal most
        at_work.add(name)
        most = max(most, len(at_work))
        await gate.wait()
        at_work.remove(name)

    turns = begin(look, at_once=2)
    asked = [turns.ask(name) for name in "abc"]
    await asyncio.sleep(0.01)
    gate.set()
    await asyncio.gather(*asked)
    assert most == 2


async def test_a_look_that_failed_is_told_and_made_again(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    error, looks, well = UnavailableError("away"), 0, asyncio.Event()

    async def look(_name: str) -> None:
        nonlocal looks
        looks += 1
        if looks < 3:
            raise error
        well.set()

    turns = begin(look)
    assert await turns.ask("a") is error
    await asyncio.wait_for(well.wait(), 5)


async def test_a_defect_of_one_does_not_keep_the_others(begin: Begin) -> None:
    async def look(name: str) -> None:
        if name == "a":
            raise ZeroDivisionError

    turns = begin(look)
    outcomes = await asyncio.gather(turns.ask("a"), turns.ask("b"))
    assert [type(outcome) for outcome in outcomes] == [ZeroDivisionError, type(None)]


async def test_a_pause_is_cut_short_by_whoever_asks(begin: Begin) -> None:
    looks = 0

    async def look(_name: str) -> float:
        nonlocal looks
        looks += 1
        return 3_600

    turns = begin(look)
    await turns.ask("a")
    await asyncio.wait_for(turns.ask("a"), 5)
    assert looks == 2


async def test_a_name_that_is_done_with_is_forgotten(begin: Begin) -> None:
    async def look(_name: str) -> None:
        return None

    turns = begin(look)
    await turns.ask("a")
    await asyncio.sleep(0)
    assert turns._turns == {}
