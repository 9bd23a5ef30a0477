"""API keys over HTTP: how they come and go."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.directory import Intake, directory_intake
from tests.support.waiting import eventually

from fogbell_intake import auth


@pytest.fixture(scope="module")
async def intake(mongo_uri: str) -> AsyncIterator[Intake]:
    async with directory_intake(mongo_uri) as served:
        yield served


async def create_key(intake: Intake, **body: Any) -> Any:
    return await intake.client.post("/v1/api-keys", json={"name": "t", "scopes": ["read"], **body})


async def use(intake: Intake, key: str, path: str = "/v1/recipients/nobody") -> Any:
    return await intake.client.get(path, headers={"Authorization": f"Bearer {key}"})


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Basic dTpw", "unauthenticated"),
        ("Bearer", "unauthenticated"),
        ("fbk_" + "a" * 40, "unauthenticated"),
        ("Bearer fbk_short", "invalid-api-key"),
        ("Bearer fbk_" + "a" * 40, "invalid-api-key"),
        ("Bearer fbk_" + "k" * 39, "invalid-api-key"),
        ("Bearer hunter2", "invalid-api-key"),
    ],
)
async def test_a_wrong_key_is_401(intake: Intake, header: str, code: str) -> None:
    answer = await intake.client.get("/v1/api-keys", headers={"Authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert "hunter2" not in answer.text


async def test_a_key_is_shown_once_and_only_its_hash_is_kept(intake: Intake) -> None:
    created = await create_key(intake, app="shop", mode="test")
    assert created.status_code == 201
    key = created.json()["key"]
    listed = await intake.client.get("/v1/api-keys?limit=200")
    assert key not in listed.text
    (entry,) = [item for item in listed.json()["items"] if item["id"] == created.json()["id"]]
    assert (entry["app"], entry["mode"], entry["scopes"]) == ("shop", "test", ["read"])
    assert key.startswith(entry["prefix"])
    stored = await intake.db.api_keys.find_one({"_id": entry["id"]})
    assert key not in str(stored)
    assert stored is not None
    assert stored["hash"] == auth.key_hash(key)


async def test_keys_are_listed_page_by_page(intake: Intake) -> None:
    made = [(await create_key(intake)).json()["id"] for _ in range(5)]
    seen: list[str] = []
    after = ""
    while True:
        page = (await intake.client.get(f"/v1/api-keys?limit=2{after}")).json()
        seen += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert seen == sorted(set(seen))
    assert set(made) <= set(seen)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "limit=1&limit=2", "after=x", "lmit=1", "after="]
)
async def test_a_wrong_query_is_422(intake: Intake, query: str) -> None:
    answer = await intake.client.get(f"/v1/api-keys?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-parameter")
    assert answer.json()["errors"][0]["parameter"] in ("limit", "after", "lmit")


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"scopes": []}, "#/scopes"),
        ({"scopes": ["root"]}, "#/scopes/0"),
        ({"name": ""}, "#/name"),
        ({"mode": "dry"}, "#/mode"),
        ({"app": "a b"}, "#/app"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "#/expires_at"),
        ({"expires_at": 4_000_000_000}, "#/expires_at"),
        ({"key": "fbk_mine"}, "#/key"),
    ],
)
async def test_a_key_that_cannot_be_is_refused(
    intake: Intake, body: dict[str, Any], place: str
) -> None:
    answer = await create_key(intake, **body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, place)


async def test_an_expired_key_is_refused_though_it_was_just_believed(intake: Intake) -> None:
    expires_at = datetime.now(UTC) + timedelta(seconds=5)
    created = await create_key(intake, expires_at=expires_at.isoformat(timespec="milliseconds"))
    key = created.json()["key"]
    assert (await use(intake, key)).status_code == 404

    async def refused() -> bool:
        answer = await use(intake, key)
        return bool(answer.status_code == 401 and answer.json()["code"] == "expired-api-key")

    await eventually(refused, 20)


async def test_a_deleted_key_is_refused_at_once(intake: Intake) -> None:
    created = (await create_key(intake)).json()
    assert (await use(intake, created["key"])).status_code == 404
    assert (await intake.client.delete(f"/v1/api-keys/{created['id']}")).status_code == 204
    assert (await use(intake, created["key"])).status_code == 401
    assert (await intake.client.delete(f"/v1/api-keys/{created['id']}")).status_code == 404


async def test_a_key_deleted_elsewhere_is_refused_once_it_is_believed_no_more(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "CACHE_SECONDS", 0.2)
    created = (await create_key(intake)).json()
    assert (await use(intake, created["key"])).status_code == 404
    await intake.db.api_keys.delete_one({"_id": created["id"]})

    async def refused() -> bool:
        return bool((await use(intake, created["key"])).status_code == 401)

    started = time.monotonic()
    await eventually(refused)
    assert time.monotonic() - started < 2


async def test_a_key_that_is_used_says_when(intake: Intake) -> None:
    created = (await create_key(intake)).json()
    await use(intake, created["key"])

    async def last_used() -> object:
        stored = await intake.db.api_keys.find_one({"_id": created["id"]})
        return (stored or {}).get("last_used_at")

    assert await eventually(last_used)
