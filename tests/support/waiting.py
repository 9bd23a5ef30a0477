"""Waiting for what happens soon, with a deadline instead of a sleep."""

import asyncio
import functools
import inspect
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar, overload

T = TypeVar("T")


@overload
def eventually(
    check: Callable[[], Awaitable[T]], timeout: float = ..., interval: float = ...
) -> Coroutine[Any, Any, T]: ...


@overload
def eventually(
    check: Callable[[], T], timeout: float = ..., interval: float = ...
) -> Coroutine[Any, Any, T]: ...


async def eventually(
    check: Callable[[], T | Awaitable[T]],
    timeout: float = 10.0,  # noqa: ASYNC109 (it bounds a poll and names what was last seen)
    interval: float = 0.02,
) -> T:
    """The first true result of ``check``, which may be async and may fail an assertion meanwhile.

    Raises AssertionError after ``timeout`` seconds, with the last result or failed assertion.
    """
    deadline = time.monotonic() + timeout
    while True:
        seen: object
        try:
            seen = result = await _resolve(check())
            if result:
                return result
        except AssertionError as failure:
            seen = failure
        if time.monotonic() > deadline:
            raise AssertionError(f"{_name(check)} did not hold within {timeout} s; last: {seen!r}")
        await asyncio.sleep(interval)


def _name(check: object) -> str:
    """Never its `repr`: that of a bound method is that of all it is bound to."""
    while isinstance(check, functools.partial):
        check = check.func
    return getattr(check, "__qualname__", type(check).__name__)


async def _resolve(value: T | Awaitable[T]) -> T:
    return await value if inspect.isawaitable(value) else value
