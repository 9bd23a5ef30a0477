"""How fast a key may ask: one limit, whichever replica is asked."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Iterator
from time import monotonic
from typing import Any

import pytest
from tests.support.directory import NO_RABBITMQ, Intake
from tests.support.intake import intake_settings, serving
from tests.support.profiling import profiled

from fogbell.store import rate_limits
from fogbell.store.database import Database, StoreUnavailableError
from fogbell_intake import key_limits
from fogbell_intake.app import create_app

INLINE = {"audience": {"addresses": [{"email": "a@example.org"}]}, "channels": ["email"]}
POST = INLINE | {"content": {"email": {"subject": "s", "text": "t"}}}


@pytest.fixture(scope="module")
async def pair(mongo_uri: str) -> AsyncIterator[tuple[Intake, Intake]]:
    """Two replicas without a general limit: a test's keys have their own."""
    name = f"t{uuid.uuid4().hex[:12]}"
    async with _intake(mongo_uri, name) as one, _intake(mongo_uri, name) as other:
        yield one, other
        await one.db.client.drop_database(name)


@contextlib.asynccontextmanager
async def _intake(uri: str, name: str, rate: float | None = None) -> AsyncIterator[Intake]:
    http = {"host": "127.0.0.1", "port": 0, "requests_per_second": rate}
    settings = intake_settings(uri, name, NO_RABBITMQ, http=http)
    app = create_app(settings)
    async with serving(settings, app=app) as client:
        await app.state.prepared.wait()
        yield Intake(app, client)


async def _key(intake: Intake, **body: Any) -> dict[str, str]:
    """The headers of a new key."""
    body = {"name": "t", "scopes": ["read", "send"]} | body
    created = await intake.client.post("/v1/api-keys", json=body)
    assert created.status_code == 201, created.text
    return {"Authorization": f"Bearer {created.json()['key']}"}


async def _read(intake: Intake, headers: dict[str, str]) -> Any:
    return await intake.client.get("/v1/recipients/nobody", headers=headers)


async def _batch(intake: Intake, headers: dict[str, str], items: int) -> Any:
    body = {"items": [POST] * items}
    return await intake.client.post("/v1/notifications/batch", json=body, headers=headers)


async def test_replicas_together_admit_no_more_than_the_limit(
    pair: tuple[Intake, Intake], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_limits, "BURST_SECONDS", 10.0)
    headers = await _key(pair[0], rate_limit=4)
    started = monotonic()
    answers = await asyncio.gather(*(_read(pair[n % 2], headers) for n in range(120)))
    assert monotonic() - started < 10, "too slow to tell: a second window has begun"
    codes = [answer.status_code for answer in answers]
    assert set(codes) == {404, 429}
    assert 36 <= codes.count(404) <= 40


async def test_after_its_retry_after_a_key_is_admitted_again(
    pair: tuple[Intake, Intake], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_limits, "BURST_SECONDS", 5.0)
    headers = await _key(pair[0], rate_limit=0.8)
    assert [(await _read(pair[0], headers)).status_code for _ in range(4)] == [404] * 4
    refused = await _read(pair[1], headers)
    assert (refused.status_code, refused.json()["code"]) == (429, "rate-limited")
    seconds = int(refused.headers["retry-after"])
    assert 1 <= seconds <= 6
    await asyncio.sleep(seconds)
    assert (await _read(pair[1], headers)).status_code == 404


async def test_a_batch_counts_as_many_requests_as_it_has_items(
    pair: tuple[Intake, Intake],
) -> None:
    headers = await _key(pair[0], rate_limit=5, mode="test")
    assert (await _batch(pair[0], headers, 8)).status_code == 200
    assert (await _batch(pair[0], headers, 3)).status_code == 429
    # The refused one took nothing of what was left.
    assert (await _batch(pair[0], headers, 2)).status_code == 200
    assert (await _read(pair[0], headers)).status_code == 429


async def test_a_batch_that_cannot_be_read_counts_as_one(pair: tuple[Intake, Intake]) -> None:
    headers = await _key(pair[0], rate_limit=0.5)
    assert (await _batch(pair[0], headers, 0)).status_code == 422
    assert (await _batch(pair[0], headers, 0)).status_code == 429


async def test_a_batch_beyond_the_whole_limit_counts_as_all_of_it(
    pair: tuple[Intake, Intake],
) -> None:
    headers = await _key(pair[0], rate_limit=1, mode="test")
    assert (await _batch(pair[0], headers, 5)).status_code == 200
    assert (await _read(pair[0], headers)).status_code == 429


async def test_a_key_far_below_its_limit_does_not_cost_a_call_each_time(
    pair: tuple[Intake, Intake],
) -> None:
    headers = await _key(pair[0], rate_limit=1000)
    async with profiled(pair[0].db, pair[0].db.rate_limits) as entries:
        for _ in range(40):
            assert (await _read(pair[0], headers)).status_code == 404
    assert len(entries) <= 6


async def test_the_general_limit_holds_for_keys_without_their_own(mongo_uri: str) -> None:
    name = f"t{uuid.uuid4().hex[:12]}"
    async with _intake(mongo_uri, name, rate=0.5) as limited:
        quick = await _key(limited, rate_limit=100)
        answer = await limited.client.get("/v1/api-keys")
        assert (answer.status_code, answer.json()["code"]) == (429, "rate-limited")
        assert 1 <= int(answer.headers["retry-after"]) <= 3
        assert [(await _read(limited, quick)).status_code for _ in range(3)] == [404] * 3
        assert (await limited.client.get("/healthz")).status_code == 200
        await limited.db.client.drop_database(name)


async def test_a_key_says_its_own_limit(pair: tuple[Intake, Intake]) -> None:
    body = {"name": "t", "scopes": ["read"], "rate_limit": 2.5}
    created = (await pair[0].client.post("/v1/api-keys", json=body)).json()
    listed = (await pair[0].client.get("/v1/api-keys?limit=200")).json()["items"]
    shown = {item["id"]: item["rate_limit"] for item in listed}
    assert created["rate_limit"] == shown[created["id"]] == 2.5


@pytest.mark.parametrize("wrong", [0, -1, "5", True, 1e7])
async def test_a_wrong_limit_is_422(pair: tuple[Intake, Intake], wrong: object) -> None:
    body = {"name": "t", "scopes": ["read"], "rate_limit": wrong}
    answer = await pair[0].client.post("/v1/api-keys", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/rate_limit")


@pytest.fixture
def nowhere() -> Iterator[Database]:
    """No MongoDB listens there."""
    database = Database("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=50", "t")
    yield database
    database.close()


async def test_without_mongodb_each_process_holds_keys_to_the_limit_by_itself(
    nowhere: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "CALL_TIMEOUT", 0.1)
    limits = key_limits.KeyLimits(nowhere, 1)
    waits = [await limits.wait("k", None) for _ in range(5)]
    assert waits[:2] == [0.0, 0.0]
    assert all(0 < wait <= 1 for wait in waits[2:])
    with pytest.raises(StoreUnavailableError):
        await nowhere.ping(0.1)


async def test_only_so_many_keys_are_remembered(
    nowhere: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "CALL_TIMEOUT", 0.01)
    monkeypatch.setattr(key_limits, "KEYS_REMEMBERED", 2)
    limits = key_limits.KeyLimits(nowhere, 1)
    for number in range(3):
        await limits.wait(str(number), None)
    assert list(limits._keys) == ["1", "2"]
