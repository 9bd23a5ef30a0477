"""Blocking calls in threads of our own, never more than so many."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class BusyError(Exception):
    """No thread was free in time: nothing was called."""


class OverdueError(Exception):
    """The call did not end in time; it goes on, and keeps its thread."""


class Threads(Generic[T]):
    """At most ``size`` calls at once, for one event loop.

    A thread cannot be ended from outside. So one that hangs keeps its place until it ends, and a
    service that hangs cannot pile threads up. They are daemons: a process that stops does not wait
    for them, which an executor's threads would make it do.
    """

    def __init__(self, size: int) -> None:
        self._free = asyncio.Semaphore(size)

    async def run(self, call: Callable[[], T], *, start_by: float, deadline: float) -> T:
        """The call's result. Times are on the event loop's clock.

        Raises `BusyError` where no thread was free by ``start_by``, `OverdueError` where the call
        has not ended by ``deadline``, and what the call raises. Cancelling leaves the thread be.
        """
        try:
            async with asyncio.timeout_at(start_by):
                await self._free.acquire()
        except TimeoutError:
            raise BusyError from None
        try:
            ended = self._started(call)
        except BaseException:  # there are no more threads to be had
            self._free.release()
            raise
        loop = asyncio.get_running_loop()
        await asyncio.wait({ended}, timeout=max(0.0, deadline - loop.time()))
        if not ended.done():
            raise OverdueError
        return ended.result()

    def _started(self, call: Callable[[], T]) -> "asyncio.Future[T]":
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[T] = loop.create_future()

        def run() -> None:
            try:
                result = call()
            except BaseException as error:
                tell, value = ended.set_exception, error
            else:
                tell, value = ended.set_result, result  # type: ignore[assignment]
            with contextlib.suppress(RuntimeError):  # the loop has closed: nobody waits any more
                loop.call_soon_threadsafe(tell, value)

        threading.Thread(target=run, name="apprise-send", daemon=True).start()
        ended.add_done_callback(self._release)
        return ended

    def _release(self, ended: "asyncio.Future[T]") -> None:
        self._free.release()
        if not ended.cancelled():
            ended.exception()  # seen: an overdue one has nobody who asks
