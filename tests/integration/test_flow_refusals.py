"""A post that cannot be: a problem that names the place, and nothing of it stored anywhere."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from tests.support.directory import Intake, directory_intake
from tests.support.system import mail

from fogbell.model.address import Addresses
from fogbell.model.recipient import Recipient
from fogbell.store import recipients

Json = dict[str, Any]
POST = "/v1/notifications"


@pytest.fixture(scope="module")
async def intake(mongo_uri: str) -> AsyncIterator[Intake]:
    async with directory_intake(mongo_uri) as started:
        ann = Recipient(id="ann", addresses=Addresses(email="ann@example.org"))
        await recipients.put(started.db, ann)
        welcome = {"locales": {"en": {"email": {"subject": "Hi", "text": "Hi"}}}}
        answer = await started.client.put("/v1/templates/welcome", json=welcome)
        assert answer.status_code in (200, 201), answer.text
        yield started


@pytest.fixture(autouse=True)
async def _nothing_is_stored(intake: Intake) -> AsyncIterator[None]:
    before = await _everything(intake)
    yield
    assert await _everything(intake) == before


async def _everything(intake: Intake) -> dict[str, list[Any]]:
    """Every document of every collection, but for keys, whose last use is noted."""
    names = await intake.db.handle.list_collection_names()
    return {
        name: [document async for document in intake.db.handle[name].find({}).sort("_id", 1)]
        for name in sorted(names)
        if name not in ("api_keys", "state")
    }


def _email(**fields: Any) -> Json:
    return {"content": {"email": {"subject": "Fog", "text": "Bell."} | fields}}


def _people(*named: Any, **more: Any) -> Json:
    return {"audience": {"recipients": list(named)} | more}


def _in(**span: float) -> str:
    return (datetime.now(UTC) + timedelta(**span)).isoformat()


INVALID = "invalid-body"
WELCOME = {"template": "welcome", "content": None}
REFUSED: dict[str, tuple[Json, str, str]] = {
    # what is wrong: (fields that replace those of a good body, code, pointer)
    "unknown recipient": (_people("ann", "bob"), "unknown-recipient", "#/audience/recipients/1"),
    "unknown behind one who is named twice": (
        _people("ann", "ann", "bob"), "unknown-recipient", "#/audience/recipients/2",
    ),
    "impossible recipient": (_people("a b"), INVALID, "#/audience/recipients/0"),
    "no audience": ({"audience": {}}, INVALID, "#/audience"),
    "audience of no shape": ({"audience": ["ann"]}, INVALID, "#/audience"),
    "1,001 people": (_people(*(f"r{n}" for n in range(1001))), INVALID, "#/audience/recipients"),
    "transactional to a group": (
        {"audience": {"groups": ["crew"]}, "lane": "transactional"}, "bulk-only", "#/lane",
    ),
    "contradicting data": (
        _people({"id": "ann", "data": {"seat": 1}}, {"id": "ann", "data": {"seat": 2}}),
        INVALID, "#/audience/recipients/1",
    ),
    "a match that is none": (
        {"audience": {"match": {"plan": {"near": "pro"}}}}, INVALID, "#/audience/match",
    ),
    "malformed address": (
        {"audience": {"addresses": [{"email": "x@example.org"}, {"email": "no-at-sign"}]}},
        INVALID, "#/audience/addresses/1/email",
    ),
    "two addresses in one": (
        {"audience": {"addresses": [{"email": "a@example.org,b@example.org"}]}},
        INVALID, "#/audience/addresses/0/email",
    ),
    "header injection in an address": (
        {"audience": {"addresses": [{"email": "a@example.org\r\nBcc: b@example.org"}]}},
        INVALID, "#/audience/addresses/0/email",
    ),
    "malformed webhook": (
        {"audience": {"addresses": [{"webhook": {"url": "file:///etc/passwd"}}]}},
        INVALID, "#/audience/addresses/0/webhook/url",
    ),
    "nobody's address": (
        {"audience": {"addresses": [{"locale": "de"}]}}, INVALID, "#/audience/addresses/0",
    ),
    "unknown channel": ({"channels": ["email", "pigeon"]}, INVALID, "#/channels/1"),
    "no channel": ({"channels": []}, INVALID, "#/channels"),
    "a channel twice": ({"channels": ["email", "email"]}, INVALID, "#"),
    "channel without content": (
        {"channels": ["email", "webhook"]}, "missing-channel", "#/content/webhook",
    ),
    "a channel that nobody serves": ({"channels": ["email", "push"]}, INVALID, "#/channels/1"),
    "unknown template": (
        WELCOME | {"template": "nowhere"}, "unknown-template", "#/template",
    ),
    "unknown version": (WELCOME | {"template_version": 9}, "unknown-template", "#/template"),
    "template without the channel": (
        WELCOME | {"channels": ["email", "inbox"]}, "missing-channel", "#/channels/1",
    ),
    "template and content": ({"template": "welcome"}, INVALID, "#"),
    "neither template nor content": ({"content": None}, INVALID, "#"),
    "header injection in a subject": (
        _email(subject="Hi\r\nBcc: all@example.org"), INVALID, "#/content/email/subject",
    ),
    "header injection in a header": (
        _email(headers={"List-Id": "x\nBcc: y"}), INVALID, "#/content/email/headers",
    ),
    "a header that is not the sender's": (
        _email(headers={"Received": "x"}), INVALID, "#/content/email/headers",
    ),
    "a sender without an address": (
        _email(**{"from": "nobody"}), INVALID, "#/content/email/from",
    ),
    "no body": ({"content": {"email": {"subject": "Hi"}}}, INVALID, "#/content/email"),
    "broken Liquid": (
        _email(text="{% if %}"), "template-syntax", "#/content/email/text",
    ),
    "a range without end": (
        _email(text='{{ (1..100000000) | join: "" }}'), "template-syntax", "#/content/email/text",
    ),
    "unknown field": ({"colour": "red"}, INVALID, "#/colour"),
    "reserved field": ({"attachments": []}, INVALID, "#/attachments"),
    "unknown lane": ({"lane": "fast"}, INVALID, "#/lane"),
    "a time without offset": ({"send_at": "2099-01-01T00:00:00"}, INVALID, "#/send_at"),
    "a time as a number": ({"send_at": 4070908800}, INVALID, "#/send_at"),
    "a time that has passed": ({"expires_at": _in(seconds=-1)}, INVALID, "#/expires_at"),
    "a time too far": ({"send_at": _in(days=400)}, INVALID, "#/send_at"),
    "an end before the start": (
        {"send_at": _in(hours=2), "expires_at": _in(hours=1)}, INVALID, "#",
    ),
    "metadata that is no text": ({"metadata": {"a": 1}}, INVALID, "#/metadata/a"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
async def test_what_a_body_says_wrongly_is_422_with_its_place(intake: Intake, case: str) -> None:
    changes, code, place = REFUSED[case]
    body = {k: v for k, v in (mail("x@example.org") | changes).items() if v is not None}
    problem = _problem(await intake.client.post(POST, json=body), 422)
    assert problem["code"] == code
    assert place in [error.get("pointer") for error in problem["errors"]]


UNREADABLE = {
    "NaN": b'{"data": NaN}',
    "bad UTF-8": b'{"data": {"name": "\xff\xfe"}}',
    "cut short": b'{"audience": {',
    "very deep": b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deeper than allowed": b'{"data":' + b"[" * 40 + b"]" * 40 + b"}",
    "a name twice": b'{"lane": "bulk", "lane": "bulk"}',
    "an operator for a name": b'{"data": {"$where": "1"}}',
    "a number beyond a double": b'{"data": {"n": 1e999}}',
    "half a surrogate pair": b'{"data": {"n": "\\ud800"}}',
}


@pytest.mark.parametrize("case", UNREADABLE)
async def test_what_is_no_json_is_400(intake: Intake, case: str) -> None:
    answer = await intake.client.post(
        POST, content=UNREADABLE[case], headers={"Content-Type": "application/json"}
    )
    assert _problem(answer, 400)["code"] == "malformed-json"


async def test_a_body_of_50_mb_is_413(intake: Intake) -> None:
    body = mail("x@example.org", data={"filling": "x" * 50_000_000})
    assert _problem(await intake.client.post(POST, json=body), 413)["code"] == "too-large"


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data; a=b"])
async def test_another_content_type_is_415(intake: Intake, kind: str) -> None:
    content = json.dumps(mail("x@example.org"))
    answer = await intake.client.post(POST, content=content, headers={"Content-Type": kind})
    assert _problem(answer, 415)["code"] == "unsupported-media-type"


@pytest.mark.parametrize("key", ["", "a b", "k" * 256, "nön-ascii"], ids=repr)
async def test_an_idempotency_key_that_is_none_is_422(intake: Intake, key: str) -> None:
    headers = [(b"Idempotency-Key", key.encode())]
    answer = await intake.client.post(POST, json=mail("x@example.org"), headers=headers)
    (error,) = _problem(answer, 422)["errors"]
    assert error["parameter"] == "Idempotency-Key"


async def test_a_key_that_is_none_is_401(intake: Intake) -> None:
    for key in ("fbk_" + "x" * 40, "password", "fbk_"):
        headers = {"Authorization": f"Bearer {key}"}
        answer = await intake.client.post(POST, json=mail("x@example.org"), headers=headers)
        assert _problem(answer, 401)["code"] in ("invalid-api-key", "unauthenticated")


async def test_a_key_that_may_not_send_is_403(intake: Intake) -> None:
    others = {"name": "reader", "scopes": ["read", "manage", "inbox"]}
    created = await intake.client.post("/v1/api-keys", json=others)
    headers = {"Authorization": f"Bearer {created.json()['key']}"}
    answer = await intake.client.post(POST, json=mail("x@example.org"), headers=headers)
    assert _problem(answer, 403)["code"] == "missing-scope"


async def test_a_refusal_comes_before_a_broken_body_is_looked_at(intake: Intake) -> None:
    answer = await intake.client.post(POST, content=b"{", headers={"Authorization": "Bearer no"})
    assert answer.status_code == 401


def _problem(answer: httpx2.Response, status: int) -> Json:
    """The problem document, which has all that RFC 9457 and api.md ask for."""
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem: Json = answer.json()
    assert problem["status"] == status
    assert problem["type"] == f"/problems/{problem['code']}"
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    return problem
