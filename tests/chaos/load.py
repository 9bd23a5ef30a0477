"""What is posted while faults happen: singles, batches, bulk; some cancelled, replayed, later."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any, cast
from uuid import UUID

from tests.chaos import books
from tests.chaos.books import Books, Json, Probe
from tests.chaos.client import Client
from tests.chaos.people import GROUP, People
from tests.chaos.sizes import Sizes
from tests.support.waiting import eventually

from fogbell.model.status import Channel
from fogbell.policy import BULK_AUDIENCE
from fogbell_client import calls
from fogbell_client.bodies import BatchItem, JsonObject, NotificationBody

AT_ONCE = 200
"""Posts that may wait for their answer at once: what an outage holds back is bounded."""

SETTLED_SECONDS = 600.0
"""For which a replay waits for what it replays: longer than all faults of a plan in a row."""

BATCH = 10
CONTENT: dict[str, JsonObject] = {
    "email": {"subject": "Fog tonight", "text": "The bell will ring."},
    "webhook": {"type": "fog.announced", "data": {"text": "The bell will ring."}},
    "sms": {"text": "Fog tonight."},
}


@dataclass
class Load:
    """Posts until it is told to stop; every draw is made from ``chance``.

    ``failures``: posts that were refused, or met a defect of this side.
    """

    client: Client
    books: Books
    people: People
    sizes: Sizes
    webhook_url: str
    chance: Random
    failures: list[str] = field(default_factory=list)
    _streams: list[asyncio.Task[None]] = field(default_factory=list)
    _posts: set[asyncio.Task[None]] = field(default_factory=set)

    def start(self) -> None:
        """Begin every stream."""
        sizes = self.sizes
        paces: list[tuple[float, Callable[[], Coroutine[Any, Any, None]]]] = [
            (sizes.single, self._single),
            (sizes.batch, self._batch),
            (sizes.inline_bulk, self._inline_bulk),
            (sizes.probe, self._probe),
        ]
        self._streams = [asyncio.create_task(self._stream(*pace)) for pace in paces]

    def stop(self) -> None:
        """Post nothing new; what waits for its answer goes on."""
        for stream in self._streams:
            stream.cancel()

    async def answered(self) -> None:
        """Return once everything that was asked has been answered."""
        await asyncio.gather(*self._streams, return_exceptions=True)
        while self._posts:
            await asyncio.wait(set(self._posts))

    async def abandon(self) -> None:
        """Wait for no answer any more."""
        tasks = [*self._streams, *self._posts]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def waiting(self) -> int:
        """Posts without an answer so far."""
        return len(self._posts)

    def burst(self, runs: int = 1) -> None:
        """Bulk runs to everybody, over two channels, at once: work for a fault to strike."""
        for _ in range(runs):
            self._begin(self._group_bulk())

    async def _stream(self, pace: float, post: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            if len(self._posts) < AT_ONCE:
                self._begin(post())
            await asyncio.sleep(pace)

    def _begin(self, post: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(post)
        self._posts.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, post: "asyncio.Task[None]") -> None:
        self._posts.discard(post)
        if not post.cancelled() and (error := post.exception()) is not None:
            self.failures.append(repr(error))

    async def _single(self) -> None:
        kind = self.chance.choices(("email", "webhook", "sms"), (6, 3, 2))[0]
        later = self._later() if self.chance.random() < 0.1 else None
        again = self.chance.random() < 0.05
        id_ = await self._posted([self._address(kind)], later)
        if again:
            await self._replay(id_)

    async def _probe(self) -> None:
        await self._posted([self._address("email")], probe=time.time())

    async def _batch(self) -> None:
        addresses = [self._address("email") for _ in range(BATCH)]
        keys = [self._key() for _ in addresses]
        items: list[BatchItem] = [
            {**_body([address]), "idempotency_key": key}
            for key, address in zip(keys, addresses, strict=True)
        ]
        ids = [self.books.attempt(key) for key in keys]
        answer = await self.client.until_answered(calls.post_batch(items))
        while any(result["status"] != 202 for result in answer["results"]):
            await asyncio.sleep(0.3)
            answer = await self.client.until_answered(calls.post_batch(items))
        for id_, address in zip(ids, addresses, strict=True):
            self.books.accept(id_, [books.inline(id_, address)])

    async def _inline_bulk(self) -> None:
        later = self._later() if self.chance.random() < 0.1 else None
        stops = self.chance.uniform(0, 0.6) if self.chance.random() < 0.15 else None
        again = self.chance.random() < 0.05
        id_ = await self._posted([self._address("email") for _ in range(self.sizes.bulk)], later)
        if stops is not None:
            await asyncio.sleep(stops)
            await self._cancel(id_)
        elif again:
            await self._replay(id_)

    async def _group_bulk(self) -> None:
        stops = self.chance.uniform(0, 0.6) if self.chance.random() < 0.15 else None
        channels = (Channel.EMAIL, Channel.WEBHOOK)
        body: NotificationBody = {
            "audience": {"groups": [GROUP]},
            "channels": ["email", "webhook"],
            "content": CONTENT,
        }
        key = self._key()
        id_ = self.books.attempt(key)
        await self.client.until_answered(calls.post(body, idempotency_key=key))
        self.books.accept(id_, books.named(id_, self.people.names, channels), expanded=True)
        if stops is not None:
            await asyncio.sleep(stops)
            await self._cancel(id_)

    async def _posted(
        self, addresses: list[Json], later: datetime | None = None, probe: float | None = None
    ) -> UUID:
        body = _body(addresses)
        if later is not None:
            body["send_at"] = later
        if len(addresses) > 1:
            body["lane"] = "bulk"
        key = self._key()
        id_ = self.books.attempt(key)
        deliveries = [books.inline(id_, address) for address in addresses]
        for address, delivery in zip(addresses, deliveries, strict=True):
            if "sms" in address:
                self.books.numbers[address["sms"]] = delivery
        if probe is not None:
            self.books.probes.append(Probe(probe, deliveries[0]))
        await self.client.until_answered(calls.post(body, idempotency_key=key))
        expanded = later is not None or len(addresses) > BULK_AUDIENCE
        self.books.accept(id_, deliveries, later, expanded=expanded)
        return id_

    async def _cancel(self, id_: UUID) -> None:
        self.books.cancelling(id_)
        await self.client.until_answered(calls.cancel(id_))

    async def _replay(self, id_: UUID) -> None:
        """Once it has settled. A lost answer is not repeated: that might be one more replay."""
        await eventually(partial(self._is_settled, id_), SETTLED_SECONDS, 1.0)
        self.books.replaying(id_)
        answer = await self.client.once(calls.replay(id_, status=["dead", "delivered"]))
        # None: it goes on after the answer.
        if answer is not None and answer["replayed"] != 0:
            self.books.replayed(id_)

    async def _is_settled(self, id_: UUID) -> bool:
        shown = await self.client.until_answered(calls.notification(id_))
        return shown["settled_at"] is not None

    def _address(self, channel: str) -> Json:
        number = self.books.fresh()
        if channel == "sms":
            return {"sms": f"+447{number:09d}"}
        if channel == "webhook":
            path = self.chance.choices(("ok", "unavailable", "gone"), (8, 1, 1))[0]
            return {"webhook": {"url": f"{self.webhook_url}/{path}/{number}"}}
        return {"email": f"p{number}@example.org"}

    def _key(self) -> str:
        return f"chaos-{self.books.fresh()}"

    def _later(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.chance.uniform(2, 15))


def _body(addresses: list[Json]) -> NotificationBody:
    (channel,) = addresses[0]
    body: Any = {
        "audience": {"addresses": addresses},
        "channels": [channel],
        "content": {channel: CONTENT[channel]},
    }
    return cast("NotificationBody", body)
