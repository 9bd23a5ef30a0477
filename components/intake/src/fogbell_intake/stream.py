"""What one client of the live inbox is sent.

The hub offers each new item as its event comes. An event may be lost (nothing keeps it), so a
stream also reads its inbox itself, in a pass: when it opens, after the broker was away, when its
client was too slow, and now and then. A pass starts `OVERLAP` before the end of the last one:
items are stamped by the process that stores them, and become visible a little later and in another
order. What a stream has shown it does not show again; across streams, clients drop repeats by the
item's id.

While a pass goes on, what is offered waits: a client that is cut off resumes from the last id that
it saw, so nothing may be shown while something older is missing.
"""

import asyncio
import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from fogbell.store.database import StoreUnavailableError
from fogbell.store.inbox import InboxItem, Position
from fogbell_intake.inbox_items import EXPIRED, HEARTBEAT, Frame, item_frame, ready_frame
from fogbell_intake.inbox_settings import InboxSettings
from fogbell_intake.tokens import InboxToken

OVERLAP = timedelta(seconds=5)

PAGE = 50
"""Items that a pass reads at once, and holds in memory."""

RETRY = 2.0
"""Seconds after which a pass that met no MongoDB is tried again."""


class Source(Protocol):
    """Where a stream reads."""

    def now(self) -> datetime:
        """MongoDB's time."""

    async def page(
        self, recipient_id: str, start: datetime, after: Position | None
    ) -> list[InboxItem]:
        """Up to `PAGE` items, oldest first; raises `StoreUnavailableError`."""


class Stream:
    """An asynchronous iterator of bytes, made by `Hub.open`.

    Memory is bounded: new items wait in ``queue_bytes``; what does not fit is read again from the
    store, as fast as the client takes it.
    """

    def __init__(
        self, source: Source, settings: InboxSettings, token: InboxToken, resume: Position | None
    ) -> None:
        now = source.now()
        self.recipient_id = token.recipient_id
        self._source = source
        self._settings = settings
        self._expires_at = token.expires_at
        # Everything stored before the frontier has been shown, but for what came late.
        self._frontier = min(resume.stored_at, now) if resume else now
        self._words = ready_frame(self._frontier)
        self._waiting: dict[UUID, Frame] = {}
        self._waiting_bytes = 0
        self._shown: dict[UUID, datetime] = {}
        self._behind = True
        self._blocked = False
        self._began = now
        self._after: Position | None = None
        self._ended = False
        self._wake = asyncio.Event()
        self._clock = asyncio.get_running_loop().time
        self._spoke_at = self._clock()
        self._pass_at = self._next_pass()

    def __aiter__(self) -> "Stream":
        """The stream itself."""
        return self

    async def __anext__(self) -> bytes:
        """The next bytes to send: as much as there is at this moment."""
        while True:
            chunk = self._take_words() or await self._next_items()
            if chunk:
                self._spoke_at = self._clock()
                return chunk
            if self._ended and not self._words:
                raise StopAsyncIteration
            await self._wake.wait()
            self._wake.clear()

    def offer(self, frame: Frame) -> None:
        """A new item. If it does not fit, it is read from the store later."""
        item_id = frame.position.id
        if item_id in self._shown or item_id in self._waiting:
            return
        if self._waiting_bytes + len(frame.body) > self._settings.queue_bytes:
            self._take_waiting()
            self.catch_up()
            return
        self._waiting[item_id] = frame
        self._waiting_bytes += len(frame.body)
        self._wake.set()

    def catch_up(self) -> None:
        """Read the inbox from where the last pass ended, as soon as the client takes more."""
        self._behind = True
        self._wake.set()

    def end(self, words: bytes = b"") -> None:
        """End the stream, after ``words``."""
        if not self._ended:
            self._ended = True
            self._words = words
            self._wake.set()

    def tick(self, now: float, time: datetime) -> None:
        """See whether something is due: ``now`` on the loop's clock, ``time`` in UTC."""
        if time >= self._expires_at:
            self.end(EXPIRED)
            return
        if now >= self._pass_at:
            self._pass_at = self._next_pass()
            self._blocked = False
            self.catch_up()
        if now - self._spoke_at >= self._settings.heartbeat_seconds and not self._words:
            self._words = HEARTBEAT
            self._wake.set()

    def _next_pass(self) -> float:
        # Spread, so that streams that came together do not read together for ever.
        return self._clock() + self._settings.poll_seconds * random.uniform(0.75, 1.25)  # noqa: S311

    def _take_words(self) -> bytes:
        words, self._words = self._words, b""
        return words

    def _take_waiting(self) -> list[Frame]:
        frames = list(self._waiting.values())
        self._waiting, self._waiting_bytes = {}, 0
        return frames

    async def _next_items(self) -> bytes:
        """Of a pass what it has not shown yet, else what was offered."""
        while not self._ended and not self._blocked:
            if not self._behind and self._after is None:
                return self._unseen(self._take_waiting())
            if chunk := await self._read_page():
                return chunk
        return b""

    async def _read_page(self) -> bytes:
        if self._after is None:
            self._behind, self._began = False, self._source.now()
        start = self._frontier - OVERLAP
        try:
            items = await self._source.page(self.recipient_id, start, self._after)
        except StoreUnavailableError:
            # The next tick after `RETRY` begins the pass anew; until then nothing is shown.
            self._behind, self._blocked, self._after = True, True, None
            self._pass_at = self._clock() + RETRY
            return b""
        chunk = self._unseen(item_frame(item) for item in items)
        self._advance(items)
        return chunk

    def _advance(self, items: list[InboxItem]) -> None:
        """Move the frontier behind a page, and forget what no later pass can bring again."""
        reached = self._began
        self._after = None
        if len(items) == PAGE:
            self._after = items[-1].position
            reached = min(reached, self._after.stored_at)
        self._frontier = max(self._frontier, reached)
        horizon = self._frontier - OVERLAP
        self._shown = {i: stored for i, stored in self._shown.items() if stored >= horizon}

    def _unseen(self, frames: Iterable[Frame]) -> bytes:
        """The bodies of those frames that this stream has not shown, which are shown with that."""
        chunk = bytearray()
        for (stored_at, item_id), body in frames:
            if item_id not in self._shown:
                self._shown[item_id] = stored_at
                chunk += body
        return bytes(chunk)
