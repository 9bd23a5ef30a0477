"""The inbox live: one hub a process, which hands new items to the streams of their recipients.

Events on the broker only say which items are new. The hub reads those that somebody here waits
for, all of one moment in one query, and offers each to its recipient's streams.
"""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from fogbell.broker import InboxEvent
from fogbell.identity import recipient_hash
from fogbell.store import inbox
from fogbell.store.database import Database, StoreUnavailableError
from fogbell.store.inbox import InboxItem, Position
from fogbell_intake.inbox_items import item_frame
from fogbell_intake.inbox_settings import InboxSettings
from fogbell_intake.stream import PAGE, RETRY, Stream
from fogbell_intake.tokens import InboxToken

BATCH = 500
"""New items that the hub reads at once."""

READERS = 8
"""Passes that read at once: a thousand streams that resume together do not flood MongoDB."""


class TooManyStreamsError(Exception):
    """As many streams are open as may be, for one recipient or altogether. Says which."""


class Hub:
    """The streams of this process, by recipient.

    `receive` and `resumed` belong to a `fogbell.broker.EventListener`.
    """

    def __init__(self, db: Database, settings: InboxSettings) -> None:
        self.settings = settings
        self._db = db
        self._streams: dict[str, set[Stream]] = {}
        self._count = 0
        self._wanted: dict[UUID, None] = {}
        self._reader: asyncio.Task[None] | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._readers = asyncio.Semaphore(READERS)
        self._away_until = 0.0
        self._ended = False

    def __len__(self) -> int:
        """How many streams are open."""
        return self._count

    def start(self) -> None:
        """Begin to look after heartbeats, expiries and passes, in the background."""
        self._ticker = asyncio.create_task(self._tick())

    def end_streams(self) -> None:
        """End every stream now, and those that still come at once.

        To be called when the server begins to stop: it waits for open answers before it tells the
        application anything.
        """
        self._ended = True
        for stream in self._all():
            stream.end()

    async def close(self) -> None:
        """End every stream and the work in the background."""
        self.end_streams()
        tasks = [task for task in (self._ticker, self._reader) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def open(self, token: InboxToken, resume: Position | None = None) -> Stream:
        """A stream of what is stored from now on, or from ``resume``; `forget` it in the end.

        Raises `TooManyStreamsError`.
        """
        key = recipient_hash(token.recipient_id)
        limits = self.settings
        if self._count >= limits.max_streams:
            raise TooManyStreamsError(
                "This process holds as many streams as it may. Come back later."
            )
        if len(self._streams.get(key, ())) >= limits.max_streams_per_recipient:
            raise TooManyStreamsError(
                "This recipient has as many streams open as they may. Close one."
            )
        stream = Stream(self, self.settings, token, resume)
        self._streams.setdefault(key, set()).add(stream)
        self._count += 1
        if self._ended:
            stream.end()
        return stream

    def forget(self, stream: Stream) -> None:
        """Nobody listens to ``stream`` any more."""
        key = recipient_hash(stream.recipient_id)
        streams = self._streams.get(key)
        if streams is None or stream not in streams:
            return
        streams.remove(stream)
        self._count -= 1
        if not streams:
            del self._streams[key]

    def receive(self, event: InboxEvent) -> None:
        """Items have been stored: read those that somebody here waits for."""
        for who, item_id in event.items:
            if who in self._streams:
                self._wanted[item_id] = None
        if self._wanted and (self._reader is None or self._reader.done()):
            self._reader = asyncio.create_task(self._read_wanted())

    def resumed(self) -> None:
        """Events may have been missed: every stream reads its inbox."""
        for stream in self._all():
            stream.catch_up()

    def now(self) -> datetime:
        """MongoDB's time."""
        return self._db.clock.now()

    async def page(
        self, recipient_id: str, start: datetime, after: Position | None
    ) -> list[InboxItem]:
        """One page of a pass; raises `StoreUnavailableError`, at once if that was so just now."""
        clock = asyncio.get_running_loop().time
        async with self._readers:
            if clock() < self._away_until:
                raise StoreUnavailableError("MongoDB did not answer a moment ago")
            try:
                return await inbox.since(self._db, recipient_id, start, after=after, limit=PAGE)
            except StoreUnavailableError:
                self._away_until = clock() + RETRY
                raise

    async def _read_wanted(self) -> None:
        """Read until nothing is wanted: what comes meanwhile is the next batch."""
        while self._wanted:
            batch = list(self._wanted)[:BATCH]
            for item_id in batch:
                del self._wanted[item_id]
            try:
                items = await inbox.by_ids(self._db, batch)
            except StoreUnavailableError:
                self._wanted.clear()
                self.resumed()
                return
            for item in items:
                self._show(item)

    def _show(self, item: InboxItem) -> None:
        streams = self._streams.get(recipient_hash(item.recipient_id), ())
        # The recipient is compared as well: a hash decides who is woken, never who may read.
        listening = [s for s in streams if s.recipient_id == item.recipient_id]
        if listening:
            frame = item_frame(item)
            for stream in listening:
                stream.offer(frame)

    async def _tick(self) -> None:
        """One timer for all streams."""
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(min(1.0, self.settings.heartbeat_seconds))
            for stream in list(self._all()):
                stream.tick(clock(), self.now())

    def _all(self) -> Iterator[Stream]:
        for streams in self._streams.values():
            yield from streams
