"""Work that a request begins, and that goes on after its answer where it takes long."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Chores:
    """Runs work in the background. What is cut off by a stop, the sweep goes on with."""

    def __init__(self) -> None:
        self._under_way: set[asyncio.Task[Any]] = set()

    async def run(self, name: str, work: Coroutine[Any, Any, T], within: float) -> T | None:
        """What ``work`` returns, or raises, within so many seconds; None where it goes on."""
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        done, _ = await asyncio.wait({task}, timeout=within)
        if done:
            return task.result()
        task.add_done_callback(lambda ended: _report(name, ended))
        return None

    async def close(self) -> None:
        """Cut off what is under way."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)


def _report(name: str, task: "asyncio.Task[Any]") -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.warning("left_to_sweep", work=name, exc_info=error)
