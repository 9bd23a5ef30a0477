"""The client's live stream against real intakes, as they stop, start and expire tokens."""

import asyncio
from datetime import timedelta

import pytest
from tests.support.inbox_intake import Intake, Place
from tests.support.waiting import eventually

from fogbell_client import AsyncInbox, ExpiredTokenError


class Reader:
    """Reads a stream in the background."""

    def __init__(self, inbox: AsyncInbox) -> None:
        self.stream = inbox.stream()
        self.titles: list[str] = []
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for item in self.stream:
            self.titles.append(item["title"])

    async def is_open(self) -> None:
        await eventually(lambda: self.stream.last_event_id)

    async def shows(self, *titles: str) -> None:
        await eventually(lambda: self.titles == list(titles))

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_items_come_live_and_none_is_lost_over_a_restart(place: Place, ann: str) -> None:
    async with place.intake() as first:
        port = first.client.base_url.port
        assert port is not None
        inbox = AsyncInbox(str(first.client.base_url), first.token(ann))
        reader = Reader(inbox)
        await reader.is_open()
        await first.tell(ann, "one")
        await reader.shows("one")
    async with place.intake(port=port) as second:
        await second.tell(ann, "two")
        await reader.shows("one", "two")
        await reader.stop()
        await inbox.close()


async def test_a_token_that_expires_ends_the_stream_with_where_to_resume(
    impatient: Intake, ann: str
) -> None:
    token = impatient.token(ann, timedelta(seconds=5))
    async with AsyncInbox(str(impatient.client.base_url), token) as inbox:
        reader = Reader(inbox)
        await reader.is_open()
        await impatient.tell(ann, "one")
        with pytest.raises(ExpiredTokenError) as raised:
            await asyncio.wait_for(reader.task, 20)
        assert reader.titles == ["one"]
        resumed = inbox.stream(last_event_id=raised.value.last_event_id)
        assert resumed.last_event_id == raised.value.last_event_id is not None
