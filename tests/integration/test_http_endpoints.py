"""Endpoints over HTTP: a secret is shown once, and an app sees its own alone."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.support.directory import Intake, directory_intake
from tests.support.waiting import eventually

from fogbell.model.endpoint import EventType
from fogbell.model.status import Channel
from fogbell.store import endpoints
from fogbell_intake.wanted import WantedEvents

BODY = {"url": "https://shop.example/hook", "events": ["delivery.settled"]}


@pytest.fixture(scope="module")
async def intake(mongo_uri: str) -> AsyncIterator[Intake]:
    async with directory_intake(mongo_uri) as served:
        yield served


async def of_app(intake: Intake, app: str) -> dict[str, str]:
    """The head of a request by a key of ``app``."""
    body = {"name": "t", "app": app, "scopes": ["manage", "send", "read"]}
    created = await intake.client.post("/v1/api-keys", json=body)
    return {"Authorization": f"Bearer {created.json()['key']}"}


async def add(intake: Intake, key: dict[str, str], **fields: Any) -> Any:
    return await intake.client.post("/v1/endpoints", json=BODY | fields, headers=key)


async def test_a_secret_is_shown_once(intake: Intake) -> None:
    key = await of_app(intake, "once")
    created = await add(intake, key, description="orders")
    assert created.status_code == 201
    made = created.json()
    assert len(base64.b64decode(made["secret"].removeprefix("whsec_"), validate=True)) == 32
    known = made | {"app": "once", "description": "orders", "disabled_at": None}
    assert made == known
    del known["secret"]
    shown = await intake.client.get(f"/v1/endpoints/{made['id']}", headers=key)
    listed = await intake.client.get("/v1/endpoints", headers=key)
    assert shown.json() == known
    assert listed.json() == {"items": [known], "next": None}


async def test_an_app_neither_sees_nor_deletes_the_endpoints_of_another(intake: Intake) -> None:
    mine, theirs = await of_app(intake, "mine"), await of_app(intake, "theirs")
    path = f"/v1/endpoints/{(await add(intake, mine)).json()['id']}"
    assert (await intake.client.get("/v1/endpoints", headers=theirs)).json()["items"] == []
    for method, key, status in (
        ("GET", theirs, 404),
        ("DELETE", theirs, 404),
        ("GET", mine, 200),
        ("DELETE", mine, 204),
        ("DELETE", mine, 404),
    ):
        answer = await intake.client.request(method, path, headers=key)
        assert answer.status_code == status


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"url": "ftp://shop.example"}, "#/url"),
        ({"url": "https://user:word@shop.example"}, "#/url"),
        ({"events": []}, "#/events"),
        ({"events": ["delivery.opened"]}, "#/events/0"),
        ({"secret": "whsec_bWluZQ=="}, "#/secret"),
    ],
)
async def test_what_is_no_endpoint_is_refused(
    intake: Intake, fields: dict[str, Any], pointer: str
) -> None:
    answer = await intake.client.post("/v1/endpoints", json=BODY | fields)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_an_app_has_ten_endpoints_at_most_and_reads_them_in_pages(intake: Intake) -> None:
    key = await of_app(intake, "many")
    made = [await add(intake, key) for _ in range(endpoints.MOST + 1)]
    assert [answer.status_code for answer in made] == [201] * endpoints.MOST + [409]
    assert made[-1].json()["code"] == "too-many-endpoints"
    seen, after = [], ""
    while True:
        page = (await intake.client.get(f"/v1/endpoints?limit=4{after}", headers=key)).json()
        seen += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert seen == [answer.json()["id"] for answer in made[:-1]]


async def test_a_post_is_reported_from_the_moment_that_its_app_has_an_endpoint(
    intake: Intake,
) -> None:
    key, body = await of_app(intake, "told"), {
        "audience": {"addresses": [{"email": "ann@example.org"}]},
        "channels": ["email"],
        "content": {"email": {"subject": "Fog", "text": "Bell."}},
    }  # fmt: skip

    async def post() -> list[dict[str, Any]]:
        answer = await intake.client.post("/v1/notifications", json=body, headers=key)
        found = intake.db.deliveries.find({"recipient_id": {"$regex": "^~"}})
        wanted = answer.json()["id"]
        return [dict(d) async for d in found if str(d["notification_id"]) == wanted]

    assert ["report" in delivery for delivery in await post()] == [False]
    made = (await add(intake, key)).json()
    assert [delivery["report"] for delivery in await post()] == [True]
    await intake.client.delete(f"/v1/endpoints/{made['id']}", headers=key)
    assert ["report" in delivery for delivery in await post()] == [False]


async def test_an_endpoint_that_came_through_another_process_is_known_soon(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fogbell_intake.wanted.CACHE_SECONDS", 0.2)
    key, wanted = await of_app(intake, "soon"), WantedEvents(intake.db)
    assert await wanted.of("soon") == frozenset()
    await add(intake, key)

    async def known() -> bool:
        return await wanted.of("soon") == {EventType.DELIVERY_SETTLED}

    await eventually(known)


async def test_without_the_channel_that_carries_them_there_are_no_endpoints(
    mongo_uri: str,
) -> None:
    async with directory_intake(mongo_uri, offered_channels={Channel.EMAIL}) as served:
        answer = await served.client.post("/v1/endpoints", json=BODY)
        assert answer.status_code == 422
        assert "does not offer the channel 'webhook'" in answer.text
