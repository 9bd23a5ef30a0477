"""One look at a time for each Campaign, whoever asks: events, a resync, or the look before."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from fogbell.store.database import StoreUnavailableError
from fogbell_operator.errors import ClusterError

log = structlog.get_logger(__name__)

Look = Callable[[str], Awaitable[float | None]]
"""Looks at the Campaign of a name; in how many seconds to look again, None for not by itself."""

Outcome = Exception | None
"""What a look has raised, None where it went well."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds until a look that failed is tried again; doubled each time."""


@dataclass(slots=True)
class _Turn:
    """What one name waits for; ``next`` is the look that has not begun yet."""

    next: "asyncio.Future[Outcome] | None" = None
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None
    failures: int = 0


class Turns:
    """Looks are never at once for one name; what is asked meanwhile makes one more look.

    At most ``at_once`` names are looked at together.
    """

    def __init__(self, look: Look, at_once: int) -> None:
        self._look = look
        self._slots = asyncio.Semaphore(at_once)
        self._turns: dict[str, _Turn] = {}

    def ask(self, name: str) -> "asyncio.Future[Outcome]":
        """Have ``name`` looked at; done once a look that began after this has ended."""
        turn = self._turns.get(name)
        if turn is None:
            turn = self._turns[name] = _Turn()
        if turn.next is None:
            turn.next = asyncio.get_running_loop().create_future()
        turn.asked.set()
        if turn.task is None:
            turn.task = asyncio.create_task(self._go_on(name, turn))
        return turn.next

    async def close(self) -> None:
        """End every look."""
        tasks = [turn.task for turn in self._turns.values() if turn.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _go_on(self, name: str, turn: _Turn) -> None:
        try:
            while True:
                pause = await self._once(name, turn)
                if turn.next is None and pause is None:
                    return
                if turn.next is None:
                    await _wait(turn.asked, pause)
        finally:
            # No wait in between: who asks from here on begins another turn.
            del self._turns[name]
            if turn.next is not None:
                turn.next.cancel()

    async def _once(self, name: str, turn: _Turn) -> float | None:
        async with self._slots:
            asked, turn.next = turn.next, None
            turn.asked.clear()
            outcome: Outcome = None
            try:
                pause = await self._look(name)
                turn.failures = 0
            except Exception as error:
                outcome = error
                pause = min(FIRST_PAUSE * 2.0 ** min(turn.failures, 16), LONGEST_PAUSE)
                turn.failures += 1
                _tell(name, error)
            finally:
                if asked is not None and not asked.done():
                    asked.set_result(outcome)
        return pause


async def _wait(asked: asyncio.Event, pause: float | None) -> None:
    try:
        await asyncio.wait_for(asked.wait(), pause)
    except TimeoutError:
        return


def _tell(name: str, error: Exception) -> None:
    if isinstance(error, ClusterError | StoreUnavailableError):
        log.warning("reconcile_failed", campaign=name, error=str(error))
    else:
        # A defect: the other Campaigns go on, and this one is tried again.
        log.error("reconcile_failed", campaign=name, exc_info=error)
