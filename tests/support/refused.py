"""Requests that intake refuses, each as a function of it; some need a few requests before."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from tests.support.directory import Intake
from tests.support.inbox_intake import sign

from fogbell_intake import imports, parsing
from fogbell_intake.auth import key_hash

Ask = Callable[[Intake], Awaitable[httpx2.Response]]
JSON = {"Content-Type": "application/json"}
POST = "/v1/notifications"


def asks(method: str, path: str, **options: Any) -> Ask:
    """A request as it stands."""

    async def ask(intake: Intake) -> httpx2.Response:
        return await intake.client.request(method, path, **options)

    return ask


def posts(**fields: Any) -> Ask:
    """A good post but for ``fields``; None leaves one out."""
    body = {
        "audience": {"addresses": [{"email": "ann@example.org"}]},
        "channels": ["email"],
        "content": {"email": {"subject": "Fog", "text": "Bell."}},
    } | fields
    return asks("POST", POST, json={k: v for k, v in body.items() if v is not None})


def bearing(token: str, path: str = "/v1/api-keys") -> Ask:
    """A reading request under another key or token."""
    return asks("GET", path, headers={"Authorization": f"Bearer {token}"})


async def with_an_expired_key(intake: Intake) -> httpx2.Response:
    body = {"name": "old", "scopes": ["read"], "expires_at": "2099-01-01T00:00:00Z"}
    created = (await intake.client.post("/v1/api-keys", json=body)).json()
    past = {"$set": {"expires_at": datetime.now(UTC) - timedelta(seconds=1)}}
    await intake.db.api_keys.update_one({"hash": key_hash(created["key"])}, past)
    return await bearing(created["key"], "/v1/notifications")(intake)


async def with_an_expired_token(intake: Intake) -> httpx2.Response:
    return await bearing(sign("ann", timedelta(hours=-1)), "/v1/inbox")(intake)


async def without_the_scope(intake: Intake) -> httpx2.Response:
    body = {"name": "reader", "scopes": ["read"]}
    created = (await intake.client.post("/v1/api-keys", json=body)).json()
    return await bearing(created["key"])(intake)


async def too_often(intake: Intake) -> httpx2.Response:
    body = {"name": "slow", "scopes": ["read"], "rate_limit": 0.01}
    created = (await intake.client.post("/v1/api-keys", json=body)).json()
    for _ in range(100):
        answer = await bearing(created["key"], "/v1/recipients")(intake)
        if answer.status_code != 200:
            break
    return answer


async def a_second_stream(intake: Intake) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {sign('ann', timedelta(hours=1))}"}
    async with intake.client.stream("GET", "/v1/inbox/stream", headers=headers):
        return await intake.client.get("/v1/inbox/stream", headers=headers)


async def an_eleventh_endpoint(intake: Intake) -> httpx2.Response:
    body = {"url": "https://hooks.example.org/", "events": ["notification.settled"]}
    for _ in range(11):
        answer = await intake.client.post("/v1/endpoints", json=body)
    return answer


async def a_replay_of_what_is_to_come(intake: Intake) -> httpx2.Response:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    posted = await posts(send_at=later)(intake)
    return await intake.client.post(posted.json()["links"]["replay"])


async def another_body_under_one_key(intake: Intake) -> httpx2.Response:
    headers = {"Idempotency-Key": "twice"}
    for subject in ("One", "Two"):
        content = {"email": {"subject": subject, "text": "x"}}
        addresses = {"addresses": [{"email": "ann@example.org"}]}
        body = {"audience": addresses, "channels": ["email"], "content": content}
        answer = await intake.client.post(POST, json=body, headers=headers)
    return answer


def in_process(intake: Intake) -> httpx2.AsyncClient:
    """For what uvicorn or a client would not let through: the application is asked directly."""
    headers = {**intake.client.headers, **JSON}
    transport = httpx2.ASGITransport(intake.app)
    return httpx2.AsyncClient(transport=transport, base_url="http://x", headers=headers)


async def a_length_that_is_none(intake: Intake) -> httpx2.Response:
    async with in_process(intake) as client:
        return await client.post(POST, content=b"{}", headers={"Content-Length": "many"})


def never_ends(path: str, kind: str) -> Ask:
    """A body that begins, and does not go on within a limit that is short here."""

    async def content() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async def ask(intake: Intake) -> httpx2.Response:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(parsing, "BODY_TIMEOUT", 0.05)
            patch.setattr(imports, "CHUNK_TIMEOUT", 0.05)
            async with in_process(intake) as client:
                return await client.post(path, content=content(), headers={"Content-Type": kind})

    return ask
