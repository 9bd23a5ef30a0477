"""What every connection of a sink shares: the ledger, and who is refused."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

from fogbell_local.sink import ledger
from fogbell_local.sink.ledger import Entry
from fogbell_local.sink.refusal import Refusals

SILENCE = 60.0
"""Seconds after which a sink that is silent lets go of the connection: every sender has by then."""


class UnansweredError(ConnectionError):
    """The connection is to be closed without a reply."""


@dataclass(frozen=True, slots=True)
class Answering:
    """How each message is answered. ``delay`` is in seconds, before each reply.

    Of all messages, drawn anew for each, ``cut_fraction`` are written down and not answered: the
    connection is closed. ``silent_fraction`` are not written down, and kept waiting.
    """

    writer: ledger.Writer
    refusals: Refusals
    refuse_code: int = 451
    delay: float = 0.0
    cut_fraction: float = 0.0
    silent_fraction: float = 0.0

    def answer(self, entry: Entry, done: Callable[[], None], cut: Callable[[], None]) -> None:
        """Have ``entry`` on the disk, wait, then call ``done``; or ``cut``, for no reply at all."""
        loop = asyncio.get_running_loop()
        drawn = random.random()  # noqa: S311 - not a secret
        if drawn < self.cut_fraction:
            self.writer.append(entry, cut)
            return
        if drawn < self.cut_fraction + self.silent_fraction:
            loop.call_later(SILENCE, cut)
            return
        written = done if not self.delay else lambda: _discard(loop.call_later(self.delay, done))
        self.writer.append(entry, written)

    async def answered(self, entry: Entry) -> None:
        """The same, to be awaited. Raises UnansweredError."""
        done = asyncio.get_running_loop().create_future()
        self.answer(entry, lambda: _settle(done), lambda: _settle(done, UnansweredError()))
        await done


def _settle(done: "asyncio.Future[None]", error: Exception | None = None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)


def _discard(_: object) -> None:
    """A timer's handle needs no keeping."""
