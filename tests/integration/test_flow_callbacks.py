"""Callbacks end to end: senders are told of everything, by signed webhooks with retries of their
own.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from standardwebhooks.webhooks import Webhook
from tests.support.system import Ground, Json, System, mail
from tests.support.waiting import eventually
from tests.support.webhooks import Received, Receiver, reply


@dataclass
class Sender:
    """A server of a user's: it posts with a key of its own app, and is told at ``path``."""

    system: System
    receiver: Receiver
    app: str
    headers: dict[str, str] = field(default_factory=dict)
    endpoint: Json = field(default_factory=dict)

    async def begin(self, mode: str = "live") -> None:
        body = {"name": "t", "app": self.app, "scopes": ["send", "manage"], "mode": mode}
        created = await self.system.client.post("/v1/api-keys", json=body)
        self.headers = {"Authorization": f"Bearer {created.json()['key']}"}
        target = f"http://127.0.0.1:{self.receiver.port}/{self.app}"
        wanted = {"url": target, "events": ["notification.settled", "delivery.settled"]}
        made = await self.call("POST", "/v1/endpoints", wanted)
        self.endpoint = made

    async def call(self, method: str, path: str, body: Json | None = None) -> Json:
        client = self.system.client
        answer = await client.request(method, path, json=body, headers=self.headers)
        assert answer.is_success, answer.text
        document: Json = answer.json()
        return document

    @property
    def requests(self) -> list[Received]:
        return [r for r in self.receiver.requests if r.line.startswith(f"POST /{self.app} ")]

    @property
    def events(self) -> list[Json]:
        """What was received, each message once, by the reference implementation."""
        verify = Webhook(self.endpoint["secret"]).verify
        known = {r.headers["webhook-id"]: r for r in self.requests}
        return [verify(r.body, r.headers) for r in known.values()]

    async def told(self, number: int, within: float = 30) -> list[Json]:
        await eventually(lambda: len(self.events) >= number, within, 0.1)
        return self.events


async def answer(request: Received, writer: asyncio.StreamWriter) -> None:
    """By the path: ``gone`` is gone, ``busy`` is busy for the first time."""
    app = request.line.split()[1].removeprefix("/")
    key = (app, request.headers["webhook-id"])
    first = key not in _seen
    _seen.add(key)
    status = 410 if app == "gone" else 503 if app == "busy" and first else 204
    await reply(status)(request, writer)


_seen: set[tuple[str, str]] = set()


@pytest.fixture(scope="module")
async def world(module_ground: Ground) -> AsyncIterator[tuple[System, Receiver]]:
    async with Receiver([answer]).listen() as receiver:
        settings = {"FOGBELL_WEBHOOK__ALLOWED_PORTS": f"[{receiver.port}]"}
        async with System(module_ground, settings=settings) as system:
            yield system, receiver


async def test_a_sender_hears_of_both_ends_though_its_server_was_busy_first(
    world: tuple[System, Receiver],
) -> None:
    sender = Sender(*world, "busy")
    await sender.begin()
    body = mail("ann@example.org", reference="A-1")
    posted = await sender.call("POST", "/v1/notifications", body)
    events = {event["type"]: event["data"] for event in await sender.told(2)}
    delivery, notification = events["delivery.settled"], events["notification.settled"]
    assert (notification["id"], notification["totals"]["delivered"]) == (posted["id"], 1)
    assert (delivery["notification_id"], delivery["reference"]) == (posted["id"], "A-1")
    assert (delivery["status"], delivery["attempt_count"], delivery["mode"]) == (
        "delivered",
        1,
        "live",
    )
    await eventually(lambda: len(sender.requests) >= 4, 30, 0.1)
    tries = Counter(request.headers["webhook-id"] for request in sender.requests)
    assert list(tries.values()) == [2, 2]
    bodies = {request.body for request in sender.requests}
    assert len(bodies) == 2, "a retry has the same body"


async def test_a_server_that_is_gone_is_called_no_more(world: tuple[System, Receiver]) -> None:
    sender = Sender(*world, "gone")
    await sender.begin()
    await sender.call("POST", "/v1/notifications", mail("ann@example.org"))

    async def disabled() -> bool:
        shown = await sender.call("GET", f"/v1/endpoints/{sender.endpoint['id']}")
        return shown["disabled_at"] is not None

    await eventually(disabled, 30, 0.1)
    later = await sender.call("POST", "/v1/notifications", mail("ann@example.org"))
    await world[0].settled(later["id"])
    assert len(sender.requests) <= 2, "at most what was made before it was disabled"


async def test_of_two_hundred_deliveries_each_is_told_once(world: tuple[System, Receiver]) -> None:
    sender = Sender(*world, "many")
    await sender.begin(mode="test")
    body = mail(*(f"p{n}@example.org" for n in range(200)))
    posted = await sender.call("POST", "/v1/notifications", body)
    events = await sender.told(201, 60)
    told = Counter((event["type"], event["data"]["id"]) for event in events)
    assert set(told.values()) == {1}
    found = world[0].db.deliveries.find({}, {"notification_id": True})
    own = [str(d["_id"]) async for d in found if str(d["notification_id"]) == posted["id"]]
    assert len(own) == 200
    expected = {("delivery.settled", id_) for id_ in own}
    assert told.keys() == expected | {("notification.settled", posted["id"])}
    assert {event["data"]["mode"] for event in events} == {"test"}
    listed = await world[0].get("/v1/notifications?limit=200")
    assert {item["origin"]["type"] for item in listed["items"]} == {"api"}
    callbacks = await world[0].get("/v1/notifications?limit=200&origin=callback")
    assert {item["origin"]["type"] for item in callbacks["items"]} == {"callback"}
    assert sender.endpoint["secret"] not in world[0].log_text()
