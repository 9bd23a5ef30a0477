"""Bad input and missing rights: a problem that names the place, and nothing half-done."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from structlog.testing import capture_logs
from tests.support.directory import Intake, directory_intake

from fogbell.store import recipients
from fogbell.store.database import StoreUnavailableError
from fogbell.telemetry.logs import places
from fogbell_intake.limits import MAX_BODY
from fogbell_intake.problem_types import TYPES
from fogbell_intake.routing import public, starlette_routes

JSON = "application/json"


async def _fail(_: Request) -> Response:
    raise RuntimeError("hunter2")


async def _away(_: Request) -> Response:
    raise StoreUnavailableError("hunter2")


@pytest.fixture(scope="module")
async def intake(mongo_uri: str) -> AsyncIterator[Intake]:
    async with directory_intake(mongo_uri) as served:
        broken = [public("/broken", _fail), public("/away", _away)]
        served.app.router.routes.extend(starlette_routes(broken))
        yield served


async def put(intake: Intake, content: Any, kind: str | None = JSON, **headers: str) -> Any:
    sent = {**headers, **({"Content-Type": kind} if kind is not None else {})}
    return await intake.client.put("/v1/recipients/refused", content=content, headers=sent)


UNREADABLE: dict[str, bytes] = {
    "nothing": b"",
    "half an object": b'{"a":',
    "bad UTF-8": b'{"locale": "\xff"}',
    "NaN": b'{"attributes": {"a": NaN}}',
    "a huge number": b'{"attributes": {"a": ' + b"9" * 5000 + b"}}",
    "a name twice": b'{"locale": "de", "locale": "en"}',
    "an operator of MongoDB": b'{"attributes": {"a": {"$ref": "x", "$id": 1}}}',
    "half a surrogate pair": b'{"attributes": {"a": "\\ud800"}}',
    "100,000 arrays": b'{"attributes": {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
    "100,000 objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
async def test_a_body_that_cannot_be_read_is_400(intake: Intake, body: bytes) -> None:
    answer = await put(intake, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-json")
    assert await recipients.get(intake.db, "refused") is None


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"1", b"null", b"true"])
async def test_a_body_that_is_no_object_is_422(intake: Intake, body: bytes) -> None:
    answer = await put(intake, body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#")


@pytest.mark.parametrize(
    "kind", [None, "", "text/json", "application/json; charset=utf-16", "application/x-ndjson"]
)
async def test_another_content_type_is_415(intake: Intake, kind: str | None) -> None:
    answer = await put(intake, b"{}", kind)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")


async def test_a_compressed_body_is_415(intake: Intake) -> None:
    answer = await put(intake, b"{}", JSON, **{"Content-Encoding": "gzip"})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "kind", [JSON, "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"']
)
async def test_json_is_known_by_any_spelling(intake: Intake, kind: str) -> None:
    answer = await intake.client.put(
        "/v1/recipients/spelt", content=b"{}", headers={"Content-Type": kind}
    )
    assert answer.status_code in (200, 201)


def head(intake: Intake, *lines: str) -> bytes:
    key = intake.client.headers["authorization"]
    common = ("Host: x", f"Authorization: {key}", f"Content-Type: {JSON}")
    return "\r\n".join(["PUT /v1/recipients/refused HTTP/1.1", *common, *lines, "", ""]).encode()


async def test_an_announced_body_of_50_mb_is_refused_without_being_sent(intake: Intake) -> None:
    answer = await intake.exchange(head(intake, "Content-Length: 50000000"))
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_an_unannounced_body_is_refused_at_its_limit(intake: Intake) -> None:
    chunk = b"186A0\r\n" + b"x" * 100_000 + b"\r\n"
    chunks = [chunk] * (MAX_BODY // 100_000 + 1)
    answer = await intake.exchange(head(intake, "Transfer-Encoding: chunked"), *chunks)
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_client_that_sends_all_50_mb_still_reads_the_refusal(intake: Intake) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b" " * 1_000_000

    answer = await put(intake, chunks())
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")


async def test_a_body_of_the_very_limit_is_read(intake: Intake) -> None:
    body = json.dumps({"attributes": {}}).encode()
    answer = await put(intake, body + b" " * (MAX_BODY - len(body)))
    assert answer.status_code == 201
    assert (await put(intake, body + b" " * (MAX_BODY - len(body) + 1))).status_code == 413
    assert (await intake.client.delete("/v1/recipients/refused")).status_code == 204


async def test_endless_headers_are_refused(intake: Intake) -> None:
    answer = await intake.exchange(head(intake)[:-2], *[b"X-A: " + b"a" * 1000 + b"\r\n"] * 200)
    assert answer.startswith(b"HTTP/1.1 431 ")


async def test_one_endless_header_is_refused(intake: Intake) -> None:
    answer = await intake.exchange(head(intake)[:-2], b"X-A: ", *[b"a" * 10_000] * 30)
    assert answer.startswith(b"HTTP/1.1 431 ")


async def test_a_nonsense_length_is_400(intake: Intake) -> None:
    answer = await intake.exchange(head(intake, "Content-Length: -1"))
    assert answer.startswith(b"HTTP/1.1 400 ")


async def test_a_cut_body_stores_nothing(intake: Intake) -> None:
    _, writer = await asyncio.open_connection(*intake.address)
    writer.write(head(intake, "Content-Length: 20") + b'{"locale": "de"')
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    answer = await intake.client.get("/v1/recipients/refused")
    assert answer.status_code == 404


async def test_unknown_paths_and_methods_are_problems(intake: Intake) -> None:
    missing = await intake.client.get("/v1/nothing")
    assert (missing.status_code, missing.json()["code"]) == (404, "not-found")
    wrong = await intake.client.patch("/v1/api-keys")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method-not-allowed")
    assert set(wrong.headers["allow"].split(", ")) >= {"GET", "POST"}
    for answer in (missing, wrong):
        assert answer.headers["content-type"] == "application/problem+json"


async def test_every_problem_type_has_its_page(intake: Intake) -> None:
    for code, kind in TYPES.items():
        answer = await intake.client.get(f"/problems/{code}", headers={"Authorization": ""})
        assert answer.status_code == 200
        assert code in answer.text
        assert str(kind.status) in answer.text
    assert (await intake.client.get("/problems/none")).status_code == 404


async def test_a_defect_is_a_500_that_tells_nothing_and_is_logged_by_its_place(
    intake: Intake,
) -> None:
    # As `configure_logging` has it: an exception is named with its place, and never quoted.
    with capture_logs(processors=[places]) as logs:
        answer = await intake.client.get("/broken", headers={"X-Request-Id": "r-500"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert answer.json()["request_id"] == answer.headers["x-request-id"] == "r-500"
    assert "hunter2" not in answer.text + str(logs)
    (entry,) = [entry for entry in logs if entry["event"] == "request.failed"]
    assert entry["error"] == "RuntimeError"
    assert any("_fail" in place for place in entry["at"])


async def test_a_defect_on_the_way_of_a_post_is_a_500_like_any_other(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not found by Starlette's router, and goes through none of its own middleware."""
    monkeypatch.setattr(intake.app.state, "submitter", None)
    with capture_logs(processors=[places]) as logs:
        answer = await intake.client.post("/v1/notifications", json={"hunter2": 1})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "hunter2" not in answer.text + str(logs)
    (entry,) = [entry for entry in logs if entry["event"] == "request.failed"]
    assert entry["error"] == "AttributeError"


async def test_requests_that_come_at_once_on_one_connection_are_all_answered(
    intake: Intake,
) -> None:
    one = b"%b /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    reader, writer = await asyncio.open_connection(*intake.address)
    writer.write(one % b"HEAD" + one % b"GET" + last)
    async with asyncio.timeout(10):
        answers = await reader.read()
    writer.close()
    assert answers.count(b"HTTP/1.1 200 ") == 3
    assert answers.count(b"connection: close") == 1


async def test_without_mongodb_the_answer_is_503_and_says_when_to_come_back(
    intake: Intake,
) -> None:
    answer = await intake.client.get("/away")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert "hunter2" not in answer.text


@pytest.mark.parametrize("sent", ["a b", "x" * 65, "é", ""])
async def test_a_request_id_that_could_harm_a_log_is_replaced(intake: Intake, sent: str) -> None:
    headers = {"X-Request-Id": sent.encode()}
    answer = await intake.client.get("/healthz", headers=headers)  # type: ignore[arg-type]
    assert answer.headers["x-request-id"] != sent
    assert len(answer.headers["x-request-id"]) == 36


async def test_the_access_log_names_routes_and_neither_ids_nor_queries(intake: Intake) -> None:
    with capture_logs() as logs:
        await intake.client.get("/v1/recipients/ann@example.org?token=hunter2")
    (entry,) = [entry for entry in logs if entry["event"] == "request"]
    assert entry["route"] == "/v1/recipients/{id}"
    assert "hunter2" not in str(logs)
    assert "example.org" not in str(logs)


async def test_answers_carry_headers_for_safety(intake: Intake) -> None:
    answer = await intake.client.get("/v1/api-keys")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "server" not in answer.headers


async def test_two_authorizations_are_none(intake: Intake) -> None:
    request = head(intake, "Authorization: Bearer fbk_x", "Content-Length: 0")
    assert (await intake.exchange(request)).startswith(b"HTTP/1.1 401 ")
