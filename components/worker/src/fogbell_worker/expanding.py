"""Expanding large audiences: one notification at a time a process, from its own queue."""

import asyncio
from collections.abc import Callable
from uuid import UUID

import structlog

from fogbell.broker import Received
from fogbell.expansion.expander import Expander, ExpansionFailedError
from fogbell.store.database import StoreUnavailableError

log = structlog.get_logger(__name__)

PREFETCH = 1
"""An expansion may take minutes: what waits behind it goes to another worker."""


class ExpansionRunner:
    """Takes notifications off the expansion queue until it is stopped.

    ``count_failure`` is called with ``tried_again`` or ``given_up`` for each that a defect ended.
    """

    def __init__(self, expander: Expander, count_failure: Callable[[str], None]) -> None:
        self._expander = expander
        self._count_failure = count_failure
        self._waiting: asyncio.Queue[Received] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    def receive(self, message: Received) -> None:
        """Take a message from the consumer."""
        self._waiting.put_nowait(message)

    def start(self) -> None:
        """Begin to work."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop where it is: the lease is given back, and another process goes on."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            message = await self._waiting.get()
            for notification_id in message.ids.ids:
                await self._expand(notification_id)
            message.finish()

    async def _expand(self, notification_id: UUID) -> None:
        """Whatever comes of it, the message is done with: the sweep queues it again."""
        told = str(notification_id)
        try:
            expansion = await self._expander.expand(notification_id)
        except StoreUnavailableError as error:
            log.warning("expansion_interrupted", notification=told, error=str(error))
        except ExpansionFailedError as error:
            self._count_failure("given_up" if error.given_up else "tried_again")
            log.exception("expansion_failed", notification=told, given_up=error.given_up)
        else:
            if expansion is not None:
                log.info(
                    "expanded",
                    notification=told,
                    inserted=expansion.inserted,
                    finished=expansion.finished,
                )
