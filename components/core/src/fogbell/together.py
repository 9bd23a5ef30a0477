"""Waiting for several things at once, at no price where there is one."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results of ``work`` in its order, as `asyncio.gather`.

    What is alone gets no task of its own: to make one and wake its waiter costs more than a small
    publish does itself, and most are of one message.
    """
    several = list(work)
    if len(several) == 1:
        return [await several[0]]
    return await asyncio.gather(*several)
