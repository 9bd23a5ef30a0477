"""The live inbox: server-sent events (WHATWG HTML, "Server-sent events"), resumed when cut."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, cast

import httpx2

from fogbell_client import inbox_calls
from fogbell_client.call import Call
from fogbell_client.documents import InboxItem
from fogbell_client.errors import LOST, ExpiredTokenError, ProblemError, from_response

REMEMBERED: Final = 1_000
"""Items that a resumed stream is not shown again; intake repeats those of some seconds."""

FIRST_PAUSE: Final = 1.0
"""Seconds before a stream that was cut is opened again, until intake says otherwise."""


class EventReader:
    """What a stream has told so far, over all its connections. No I/O.

    ``last_event_id`` is where to resume; ``pause`` is in seconds.
    """

    def __init__(self, last_event_id: str | None = None) -> None:
        self.last_event_id = last_event_id
        self.pause = FIRST_PAUSE
        self._shown: dict[str, None] = {}

    def take(self, event: httpx2.ServerSentEvent) -> InboxItem | None:
        """The item of ``event``, if it is a new one. Raises `ExpiredTokenError`."""
        self.last_event_id = event.id or self.last_event_id
        if event.retry is not None:
            self.pause = event.retry / 1000
        if event.event == "expired":
            raise ExpiredTokenError(self.last_event_id)
        if event.event != "item":
            return None
        item = cast("InboxItem", json.loads(event.data))
        return item if self._is_new(item["id"]) else None

    def _is_new(self, item_id: str) -> bool:
        if item_id in self._shown:
            return False
        self._shown[item_id] = None
        if len(self._shown) > REMEMBERED:
            del self._shown[next(iter(self._shown))]
        return True


class InboxStream:
    """New items of an inbox, in an ``async for``, until the token expires: `ExpiredTokenError`.

    A connection that is cut is opened again where it ended; nothing is missed or shown twice.
    While it cannot be opened, the client's retries decide how long to try; then their last error
    is raised. ``last_event_id`` is how far it is: keep it to resume in another process.
    """

    def __init__(
        self,
        connect: Callable[[Call[None]], Awaitable[httpx2.Response]],
        last_event_id: str | None = None,
    ) -> None:
        self._connect = connect
        self._reader = EventReader(last_event_id)

    @property
    def last_event_id(self) -> str | None:
        """The cursor behind the last item; None before anything has come."""
        return self._reader.last_event_id

    async def __aiter__(self) -> AsyncIterator[InboxItem]:
        """The items as they come."""
        while True:
            response = await self._open()
            try:
                async for event in httpx2.EventSource(response, max_event_size=None):
                    item = self._reader.take(event)
                    if item is not None:
                        yield item
            except LOST:
                pass  # As good as an end: the next connection resumes.
            finally:
                await response.aclose()
            await asyncio.sleep(self._reader.pause)

    async def _open(self) -> httpx2.Response:
        try:
            response = await self._connect(inbox_calls.stream(self.last_event_id))
        except ProblemError as error:
            if error.code == "expired-token":
                raise ExpiredTokenError(self.last_event_id) from error
            raise
        if not response.headers.get("Content-Type", "").startswith("text/event-stream"):
            await response.aread()
            raise from_response(response)
        return response
