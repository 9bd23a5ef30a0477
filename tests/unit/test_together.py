"""Several things at once, in their order; one by itself without a task."""

import asyncio

import pytest

from fogbell.together import together


async def _task() -> asyncio.Task[object] | None:
    await asyncio.sleep(0)
    return asyncio.current_task()


async def _failing() -> None:
    raise ValueError("as it is")


async def test_what_is_alone_runs_in_its_callers_task() -> None:
    """A task would cost more than what it does."""
    assert await together([_task()]) == [asyncio.current_task()]


async def test_several_run_at_once_and_answer_in_order() -> None:
    """Each waits for the next one to begin, so that one after the other would never end."""
    begun = [asyncio.Event() for _ in range(3)]

    async def one(number: int) -> int:
        begun[number].set()
        await begun[(number + 1) % 3].wait()
        return number

    async with asyncio.timeout(5):
        assert await together(map(one, range(3))) == [0, 1, 2]


async def test_nothing_is_done_at_once() -> None:
    """No work is no error."""
    assert await together([]) == []


@pytest.mark.parametrize("count", [1, 2])
async def test_an_error_is_the_callers(count: int) -> None:
    """As it was raised."""
    with pytest.raises(ValueError, match="as it is"):
        await together([_failing() for _ in range(count)])
