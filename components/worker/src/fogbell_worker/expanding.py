"""Expanding large audiences: one notification at a time a process, from its own queue."""

import asyncio

import structlog

from fogbell.broker import Received
from fogbell.expansion.expander import Expander
from fogbell.store.database import StoreUnavailableError

log = structlog.get_logger(__name__)

PREFETCH = 1
"""An expansion may take minutes: what waits behind it goes to another worker."""


class ExpansionRunner:
    """Takes notifications off the expansion queue until it is stopped."""

    def __init__(self, expander: Expander) -> None:
        self._expander = expander
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
                try:
                    expansion = await self._expander.expand(notification_id)
                except StoreUnavailableError:
                    # The sweep queues it again once its lease is over.
                    log.warning("expansion_interrupted", notification=str(notification_id))
                except Exception:
                    log.exception("expansion_failed", notification=str(notification_id))
                else:
                    if expansion is not None:
                        log.info(
                            "expanded",
                            notification=str(notification_id),
                            inserted=expansion.inserted,
                            finished=expansion.finished,
                        )
            message.finish()
