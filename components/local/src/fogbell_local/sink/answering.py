"""What every connection of a sink shares: the ledger, and who is refused."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from fogbell_local.sink import ledger
from fogbell_local.sink.ledger import Entry
from fogbell_local.sink.refusal import Refusals


@dataclass(frozen=True, slots=True)
class Answering:
    """How each message is answered. ``delay`` is in seconds, before each reply."""

    writer: ledger.Writer
    refusals: Refusals
    refuse_code: int = 451
    delay: float = 0.0

    def answer(self, entry: Entry, done: Callable[[], None]) -> None:
        """Have ``entry`` on the disk, wait, then call ``done``."""
        loop = asyncio.get_running_loop()
        written = done if not self.delay else lambda: _discard(loop.call_later(self.delay, done))
        self.writer.append(entry, written)

    async def answered(self, entry: Entry) -> None:
        """The same, to be awaited."""
        done = asyncio.get_running_loop().create_future()
        self.answer(entry, lambda: _settle(done))
        await done


def _settle(done: "asyncio.Future[None]") -> None:
    if not done.done():
        done.set_result(None)


def _discard(_: object) -> None:
    """A timer's handle needs no keeping."""
