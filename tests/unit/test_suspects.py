"""The order in which what has lost a lease is tried, and how many wait."""

import asyncio
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import CapturingLogger

from fogbell_worker import suspects
from fogbell_worker.suspects import Suspects


async def _all_of(waiting: Suspects) -> list[UUID]:
    return [await waiting.next() for _ in range(len(waiting))]


@given(st.lists(st.integers(0, 9).map(lambda n: UUID(int=n)), max_size=30))
def test_each_waits_once_in_the_order_of_its_coming(ids: list[UUID]) -> None:
    waiting = Suspects()
    waiting.add(ids)
    assert asyncio.run(_all_of(waiting)) == list(dict.fromkeys(ids))


async def test_who_asks_first_is_answered_when_one_comes() -> None:
    waiting = Suspects()
    asked = asyncio.create_task(waiting.next())
    await asyncio.sleep(0)
    waiting.add([UUID(int=1)])
    async with asyncio.timeout(1):
        assert await asked == UUID(int=1)
    assert len(waiting) == 0


async def test_what_comes_beyond_the_bound_is_left_to_the_sweep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard = CapturingLogger()
    monkeypatch.setattr(suspects, "log", heard)
    monkeypatch.setattr(suspects, "MOST_WAITING", 2)
    waiting, (one, two, three) = Suspects(), [UUID(int=n) for n in range(3)]
    waiting.add([one, two, three, one])
    assert await _all_of(waiting) == [one, two]
    assert [call.args for call in heard.calls] == [("suspect_left_to_sweep",)]
    waiting.add([three])
    assert await waiting.next() == three
