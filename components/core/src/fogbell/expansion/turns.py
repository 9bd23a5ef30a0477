"""Long computations in turns, so that the event loop goes on in between."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

SLICE = 0.005
"""Seconds after which a computation gives way. One step may take longer: it is not divided."""


class Turns:
    """Shared by what must not hold the event loop up together: one of them goes on at a time.

    Each would give way for itself, but the loop would wait for all of them in each of its rounds.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def flat_map(self, step: Callable[[T], Iterable[R]], items: Iterable[T]) -> list[R]:
        """The results of ``step`` for each of ``items``, in their order."""
        results: list[R] = []
        left = iter(items)
        going_on = True
        while going_on:
            async with self._turn:
                ends = monotonic() + SLICE
                going_on = _until(ends, step, left, results)
                if monotonic() >= ends:
                    # Within the turn: what waits for it would else go on in the same round.
                    await asyncio.sleep(0)
        return results


def _until(
    ends: float, step: Callable[[T], Iterable[R]], left: Iterator[T], results: list[R]
) -> bool:
    """Go on until ``ends``; False where nothing is left."""
    for item in left:
        results.extend(step(item))
        if monotonic() >= ends:
            return True
    return False
