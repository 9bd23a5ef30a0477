"""A bounded pool of connections to one relay."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

from fogbell_worker.channels.email.connection import SmtpConnection
from fogbell_worker.channels.email.transaction import StaleConnectionError

T = TypeVar("T")


class ConnectionPool:
    """At most ``size`` connections, given out in the order in which they were asked for.

    The one used last is used first, so that a quiet hour leaves few open. One that has been idle
    for ``idle_seconds`` or has carried ``messages_per_connection`` mails says QUIT.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[SmtpConnection]],
        *,
        size: int,
        idle_seconds: float,
        messages_per_connection: int,
    ) -> None:
        self._connect = connect
        self._slots = asyncio.Semaphore(size)
        self._idle_seconds = idle_seconds
        self._messages = messages_per_connection
        self._idle: deque[SmtpConnection] = deque()
        self._reaper: asyncio.TimerHandle | None = None
        self._quitting: set[asyncio.Task[None]] = set()
        self.in_use = 0

    @property
    def idle(self) -> int:
        """How many connections wait for work."""
        return len(self._idle)

    async def run(self, use: Callable[[SmtpConnection], Awaitable[T]]) -> T:
        """Call ``use`` with a connection of its own; the slot is free again however it ends.

        A reused connection that turns out to be stale is replaced by a fresh one, once.
        """
        async with self._slots:
            self.in_use += 1
            try:
                return await self._run(use)
            finally:
                self.in_use -= 1

    async def _run(self, use: Callable[[SmtpConnection], Awaitable[T]]) -> T:
        connection = self._take() or await self._connect()
        try:
            return await use(connection)
        except StaleConnectionError:
            connection.abort()
            connection = await self._connect()
            return await use(connection)
        finally:
            self._give_back(connection)

    def _take(self) -> SmtpConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
            connection.abort()
        return None

    def _give_back(self, connection: SmtpConnection) -> None:
        if not connection.usable:
            connection.abort()
        elif connection.mails >= self._messages:
            self._quit(connection)
        else:
            loop = asyncio.get_running_loop()
            connection.idle_since = loop.time()
            self._idle.append(connection)
            if self._reaper is None:
                self._reaper = loop.call_later(self._idle_seconds, self._reap)

    def _reap(self) -> None:
        """Close what has been idle too long; the oldest stand first."""
        self._reaper = None
        loop = asyncio.get_running_loop()
        while self._idle and loop.time() - self._idle[0].idle_since >= self._idle_seconds:
            self._quit(self._idle.popleft())
        if self._idle:
            due = self._idle[0].idle_since + self._idle_seconds
            self._reaper = loop.call_at(due, self._reap)

    def _quit(self, connection: SmtpConnection) -> None:
        task = asyncio.get_running_loop().create_task(connection.quit())
        self._quitting.add(task)
        task.add_done_callback(self._quitting.discard)

    async def close(self) -> None:
        """Say QUIT on every idle connection; those in use must have been given back."""
        if self._reaper is not None:
            self._reaper.cancel()
            self._reaper = None
        while self._idle:
            self._quit(self._idle.popleft())
        if self._quitting:
            await asyncio.gather(*self._quitting)
