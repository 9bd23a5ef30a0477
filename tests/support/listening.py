"""A client of the inbox's stream, as an app's page would be."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
from tests.support.sse import Event, events
from tests.support.waiting import eventually

STREAM = "/v1/inbox/stream"


class Listener:
    """What one stream has shown so far; ``done`` is its reader, which ends with the stream."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self.events: list[Event] = []
        self.comments = 0
        self.done = asyncio.create_task(self._read())

    @property
    def items(self) -> list[dict[str, Any]]:
        """Every item event, repeats included."""
        return [json.loads(event.data) for event in self.events if event.name == "item"]

    @property
    def titles(self) -> list[str]:
        return [item["title"] for item in self.items]

    @property
    def last_id(self) -> str:
        return next(event.id for event in reversed(self.events) if event.id)

    async def shows(self, *titles: str) -> None:
        """Wait until ``titles`` have been shown, in any order, and nothing else."""

        def all_shown() -> bool:
            assert sorted(self.titles) == sorted(titles)
            return True

        await eventually(all_shown)

    async def _read(self) -> None:
        async for event in events(self._texts()):
            self.events.append(event)

    async def _texts(self) -> AsyncIterator[str]:
        async for text in self.response.aiter_text():
            self.comments += text.count(": heartbeat")
            yield text


@contextlib.asynccontextmanager
async def listening(
    client: httpx2.AsyncClient, token: str, *, last_event_id: str | None = None
) -> AsyncIterator[Listener]:
    """Open a stream and wait until it is ready."""
    headers = {"Authorization": f"Bearer {token}"}
    if last_event_id is not None:
        headers["Last-Event-ID"] = last_event_id
    async with client.stream("GET", STREAM, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        listener = Listener(response)
        try:
            await eventually(lambda: [e for e in listener.events if e.name == "ready"])
            yield listener
        finally:
            listener.done.cancel()
            await asyncio.gather(listener.done, return_exceptions=True)
