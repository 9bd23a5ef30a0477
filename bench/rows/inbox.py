"""``inbox``: live streams open on one intake process, and how soon an item is shown on its own.

Counted from when the post is due to be sent, so that accepting is in it.
"""

import asyncio
import re
import time
from collections import Counter
from datetime import UTC, datetime
from functools import partial

from pydantic import SecretStr

from bench import subject
from bench.http import Events, Pacer, get, milliseconds, post
from bench.people import recipient_id
from bench.plot import Plot
from bench.proof import ProofError
from bench.rows.accept import warmed
from bench.sizes import Sizes
from bench.subject import HEADERS, SECRETS
from bench.usage import Usage
from bench.values import FOGBELL, Aim, Case, Figures, Medians, Row
from fogbell_intake.tokens import TokenSigner
from fogbell_local.environment import HOST

POSTS_A_SECOND = 100
OPENED_AT_ONCE = 100
_ITEM = re.compile(rb'event: item\nid: [^\n]*\ndata: \{"id":"([0-9a-f-]{36})"')


class Streams:
    """Streams of many recipients, one each; when each item was shown, by its id."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: list[Events] = []
        self._ready = asyncio.Semaphore(0)
        self.shown: dict[str, float] = {}
        self.times: Counter[str] = Counter()

    async def open(self, count: int) -> None:
        """Open ``count`` of them, some at once, and wait until each has said that it is ready."""
        signer = TokenSigner(SecretStr(SECRETS.inbox_token))
        for start in range(0, count, OPENED_AT_ONCE):
            names = [recipient_id(n) for n in range(start, min(start + OPENED_AT_ONCE, count))]
            await asyncio.gather(*(self._one(signer, name) for name in names))
            async with asyncio.timeout(30):
                for _ in names:
                    await self._ready.acquire()

    async def _one(self, signer: TokenSigner, name: str) -> None:
        token, _ = signer.issue(name, datetime.now(UTC))
        request = get("/v1/inbox/stream", {"Authorization": f"Bearer {token}"})
        loop = asyncio.get_running_loop()
        _, events = await loop.create_connection(
            lambda: Events(request, self._received), HOST, self._port
        )
        self._open.append(events)

    def _received(self, data: bytes) -> None:
        """An event is sent in one piece, so none is looked for across two."""
        if b"event: ready" in data:
            self._ready.release()
        for found in _ITEM.findall(data):
            self.times[found.decode()] += 1
            self.shown.setdefault(found.decode(), time.time())

    def close(self) -> None:
        """Leave all of them."""
        for events in self._open:
            events.close()


def cases(sizes: Sizes) -> list[Case]:
    """One process of intake."""
    return [Case(FOGBELL, f"{sizes.streams} streams", partial(_measured, sizes=sizes))]


async def _measured(plot: Plot, sizes: Sizes) -> Figures:
    intake, port = await subject.start_intake(plot)
    await warmed(plot, intake, port, 1)
    streams = Streams(port)
    try:
        await streams.open(sizes.streams)
        posts = [_post(number % sizes.streams) for number in range(sizes.inbox_posts)]
        timed = await Pacer(port, POSTS_A_SECOND).send(posts)
        items = await _items(plot, len(timed))
        async with asyncio.timeout(40):
            while not items.keys() <= streams.shown.keys():
                await asyncio.sleep(0.01)
    finally:
        streams.close()
    if any(streams.times[item] != 1 for item in items):
        raise ProofError("an item was shown more than once")
    due = {_notification(t.answer.body): t.due_at for t in timed}
    seconds = [streams.shown[item] - due[of] for item, of in items.items()]
    peak = Usage.of(intake.program.pid).peak / 1e6
    return {**milliseconds(seconds), "streams": float(sizes.streams), "peak_mb": peak}


def _post(number: int) -> bytes:
    body = {
        "audience": {"recipients": [recipient_id(number)]},
        "channels": ["inbox"],
        "content": {"inbox": {"title": "The bell rang", "body": "Fog tonight."}},
    }
    return post("/v1/notifications", body, HEADERS)


def _notification(answer: bytes) -> str:
    found = re.search(rb'"id": ?"([0-9a-f-]{36})"', answer)
    if found is None:
        raise ProofError(f"expected an accepted post, not {answer!r}")
    return found[1].decode()


async def _items(plot: Plot, expected: int) -> dict[str, str]:
    """The notification of each item that is stored, one for each post."""
    cursor = plot.db.deliveries.find({"channel": "inbox", "status": "delivered"})
    items = {str(d["_id"]): str(d["notification_id"]) async for d in cursor}
    if len(items) != expected:
        raise ProofError(f"expected {expected} items, not {len(items)}")
    return items


def aims(medians: Medians) -> list[Aim]:
    """How many, and how soon."""
    streams, slowest = medians.best(FOGBELL, "streams"), medians.best(FOGBELL, "p99_ms", least=True)
    return [
        Aim("inbox: streams open on one process", streams, "streams", least=1000),
        Aim("inbox: p99 from posted to shown", slowest, "ms", most=250),
    ]


ROW = Row(
    name="inbox",
    title="from posted to shown on a live stream, with many open",
    figure="p99_ms",
    unit="ms (p99)",
    cases=cases,
    aims=aims,
    people=lambda sizes: max(1000, sizes.streams),
    less_is_better=True,
)
