"""When a stream shows what: passes over a list of items, offers between them, a clock by hand."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from fogbell.store.database import StoreUnavailableError
from fogbell.store.inbox import InboxItem, Position
from fogbell_intake.inbox_items import EXPIRED, item_frame
from fogbell_intake.inbox_settings import InboxSettings
from fogbell_intake.stream import OVERLAP, PAGE, Stream
from fogbell_intake.tokens import InboxToken

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


def item(number: int, stored_at: datetime) -> InboxItem:
    return InboxItem(UUID(int=number), UUID(int=1), "ann", f"t{number}", "", "", {}, stored_at)


class Shelf:
    """A `stream.Source` of items in memory."""

    def __init__(self) -> None:
        self.items: list[InboxItem] = []
        self.time = START
        self.available = True
        self.reads: list[datetime] = []

    def now(self) -> datetime:
        return self.time

    async def page(
        self, recipient_id: str, start: datetime, after: Position | None
    ) -> list[InboxItem]:
        assert recipient_id == "ann"
        if not self.available:
            raise StoreUnavailableError
        self.reads.append(start)
        ordered = sorted(self.items, key=lambda i: i.position)
        if after is not None:
            return [i for i in ordered if i.position > after][:PAGE]
        return [i for i in ordered if i.stored_at >= start][:PAGE]


async def opened(shelf: Shelf, resume: datetime | None = None, **settings: Any) -> Stream:
    """A stream whose first word has been taken."""
    token = InboxToken("ann", START + HOUR)
    position = Position(resume, UUID(int=0)) if resume else None
    stream = Stream(shelf, InboxSettings(**settings), token, position)
    assert b"event: ready" in await anext(stream)
    return stream


async def shown(stream: Stream) -> list[int]:
    """The numbers of the items in the next chunk."""
    return [int(n) for n in re.findall(r'"title":"t(\d+)"', (await anext(stream)).decode())]


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


async def test_nothing_new_is_shown_while_something_older_is_missing(shelf: Shelf) -> None:
    """A client cut off in between would resume behind what it has never seen."""
    shelf.items = [item(n, START - HOUR + n * SECOND) for n in range(PAGE + 20)]
    stream = await opened(shelf, resume=START - HOUR)
    live = item(999, START)
    stream.offer(item_frame(live))
    assert await shown(stream) == list(range(PAGE))
    assert await shown(stream) == list(range(PAGE, PAGE + 20))
    assert await shown(stream) == [999]


async def test_what_an_offer_and_a_pass_both_bring_is_shown_once(shelf: Shelf) -> None:
    stream = await opened(shelf)
    shelf.items = [item(1, START), item(2, START)]
    stream.offer(item_frame(shelf.items[0]))
    assert await shown(stream) == [1, 2]
    stream.offer(item_frame(shelf.items[1]))
    stream.catch_up()
    stream.offer(item_frame(item(3, START)))
    assert await shown(stream) == [3]


async def test_an_item_that_became_visible_late_is_shown_by_the_next_pass(shelf: Shelf) -> None:
    stream = await opened(shelf)
    shelf.items = [item(1, START + SECOND)]
    shelf.time = START + 2 * SECOND
    assert await shown(stream) == [1]
    shelf.items.append(item(2, shelf.time - OVERLAP + SECOND))
    stream.catch_up()
    assert await shown(stream) == [2]


async def test_passes_move_on_and_forget_what_none_can_bring_again(shelf: Shelf) -> None:
    stream = await opened(shelf)
    for n in range(1, 6):
        shelf.time = START + n * 60 * SECOND
        shelf.items.append(item(n, shelf.time))
        stream.catch_up()
        assert await shown(stream) == [n]
        assert len(stream._shown) == 1
    assert shelf.reads == sorted(shelf.reads)
    assert shelf.reads[-1] == START + 240 * SECOND - OVERLAP


async def test_what_does_not_fit_the_queue_is_read_from_the_store(shelf: Shelf) -> None:
    first = item_frame(item(0, START))
    stream = await opened(shelf, queue_bytes=2 * len(first.body))
    shelf.items = [item(n, START) for n in range(5)]
    for each in shelf.items:
        stream.offer(item_frame(each))
        assert stream._waiting_bytes <= 2 * len(first.body)
    assert await shown(stream) == [0, 1, 2, 3, 4]


async def test_a_forged_resume_from_the_future_shows_what_comes_now(shelf: Shelf) -> None:
    stream = await opened(shelf, resume=START + 100 * HOUR)
    shelf.items = [item(1, START)]
    assert await shown(stream) == [1]


async def test_a_pass_that_met_no_database_is_repeated_and_holds_back_what_is_newer(
    shelf: Shelf,
) -> None:
    shelf.items = [item(1, START - SECOND)]
    shelf.available = False
    stream = await opened(shelf, heartbeat_seconds=1)
    stream.offer(item_frame(item(2, START)))
    stream.tick(stream._clock() + 1.5, START)
    assert (await anext(stream)).startswith(b": heartbeat")
    # The pass is tried once words are said; it fails, and nothing is shown but heartbeats.
    stream.tick(stream._clock() + 1.5, START)
    assert (await anext(stream)).startswith(b": heartbeat")
    shelf.available = True
    stream.tick(stream._clock() + 60, START)
    chunks = (await anext(stream)) + (await anext(stream)) + (await anext(stream))
    assert re.findall(rb'"title":"(t\d)"', chunks) == [b"t1", b"t2"]


async def test_a_stream_says_expired_and_ends(shelf: Shelf) -> None:
    stream = await opened(shelf)
    stream.tick(0.0, START + HOUR)
    assert [chunk async for chunk in stream] == [EXPIRED]


async def test_an_ended_stream_says_nothing_more(shelf: Shelf) -> None:
    stream = await opened(shelf)
    stream.offer(item_frame(item(1, START)))
    stream.end()
    assert [chunk async for chunk in stream] == []
