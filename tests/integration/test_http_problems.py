"""Every type of problem that intake answers with, each by a request that earns it."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from starlette.requests import Request
from starlette.responses import Response
from tests.support.directory import Intake, directory_intake
from tests.support.refused import (
    JSON,
    POST,
    Ask,
    a_length_that_is_none,
    a_replay_of_what_is_to_come,
    a_second_stream,
    an_eleventh_endpoint,
    another_body_under_one_key,
    asks,
    bearing,
    never_ends,
    posts,
    too_often,
    with_an_expired_key,
    with_an_expired_token,
    without_the_scope,
)

from fogbell.store.database import StoreUnavailableError
from fogbell_intake.problem_types import TYPES
from fogbell_intake.routing import public, starlette_routes


async def _fail(_: Request) -> Response:
    raise RuntimeError


async def _away(_: Request) -> Response:
    raise StoreUnavailableError


@pytest.fixture(scope="module")
async def intake(mongo_uri: str) -> AsyncIterator[Intake]:
    """With somebody, a template, two routes that fail, and room for one stream."""
    async with directory_intake(mongo_uri, inbox={"max_streams_per_recipient": 1}) as served:
        broken = [public("/broken", _fail), public("/away", _away)]
        served.app.router.routes.extend(starlette_routes(broken))
        await served.client.put("/v1/recipients/ann", json={})
        text = "{{ data.subject }}"
        template = {"locales": {"en": {"email": {"subject": text, "text": "Hi."}}}}
        await served.client.put("/v1/templates/known", json=template)
        yield served


@dataclass(frozen=True)
class Refusal:
    """What a request is answered: with which problem, about which place, saying what to do."""

    code: str
    ask: Ask
    what_to_do: str
    place: str | None = None
    headers: tuple[str, ...] = ()


CHALLENGE, RETRY = ("www-authenticate",), ("retry-after",)
KNOWN = "/v1/templates/known"
IMPORT = "/v1/recipients/import"
REFUSALS = {
    "no JSON": Refusal(
        "malformed-json", asks("POST", POST, content=b"{", headers=JSON), "is not JSON at line 1"
    ),
    "a length that is none": Refusal("malformed-request", a_length_that_is_none, "Send how many"),
    "no key": Refusal(
        "unauthenticated",
        asks("GET", "/v1/api-keys", headers={"Authorization": ""}),
        "'Bearer fbk_...'",
        headers=CHALLENGE,
    ),
    "no token": Refusal(
        "unauthenticated", asks("GET", "/v1/inbox", headers={"Authorization": ""}), "Bearer"
    ),
    "a key that is none": Refusal(
        "invalid-api-key", bearing("fbk_" + "x" * 40), "Create another", headers=CHALLENGE
    ),
    "an expired key": Refusal(
        "expired-api-key", with_an_expired_key, "Create another", headers=CHALLENGE
    ),
    "a token that is none": Refusal(
        "invalid-token", bearing("fbi_x.y", "/v1/inbox"), "signed", headers=CHALLENGE
    ),
    "an expired token": Refusal(
        "expired-token", with_an_expired_token, "Ask for another", headers=CHALLENGE
    ),
    "a key without the scope": Refusal(
        "missing-scope", without_the_scope, "key with the scope 'manage'", headers=CHALLENGE
    ),
    "nobody": Refusal("not-found", asks("GET", "/v1/recipients/bob"), "recipient 'bob'"),
    "no path": Refusal("not-found", asks("GET", "/v1/bells"), "/docs lists"),
    "no method": Refusal(
        "method-not-allowed", asks("PATCH", "/v1/api-keys"), "takes .*POST", headers=("allow",)
    ),
    "a replay too early": Refusal("not-replayable", a_replay_of_what_is_to_come, "once it is"),
    "an endpoint too many": Refusal("too-many-endpoints", an_eleventh_endpoint, "Delete one"),
    "a slow body": Refusal(
        "request-timeout", never_ends(POST, "application/json"), "Repeat it"
    ),
    "a slow import": Refusal(
        "request-timeout", never_ends(IMPORT, "application/x-ndjson"), "Repeat the whole"
    ),
    "a body too large": Refusal(
        "too-large", posts(data={"x": "y" * 1_000_000}), r"more than 1,000,000 bytes\. Send less"
    ),
    "another content type": Refusal(
        "unsupported-media-type",
        asks("POST", POST, content=b"{}", headers={"Content-Type": "text/plain"}),
        "Send the body as application/json",
        headers=("accept",),
    ),
    "a compressed import": Refusal(
        "unsupported-media-type",
        asks("POST", IMPORT, content=b"", headers={"Content-Encoding": "gzip"}),
        "Send the body as application/x-ndjson or text/csv",
    ),
    "a field that is none": Refusal("invalid-body", posts(colour="red"), "no such", "#/colour"),
    "a field of another kind": Refusal("invalid-body", posts(lane=7), "expected", "#/lane"),
    "a field too few": Refusal("invalid-body", posts(channels=None), "required", "#/channels"),
    "a reserved field": Refusal(
        "invalid-body", posts(attachments=[]), "no such field", "#/attachments"
    ),
    "a parameter that is none": Refusal(
        "invalid-parameter", asks("GET", "/v1/recipients?lmit=1"), "known: group, limit", "lmit"
    ),
    "a limit beyond the largest": Refusal(
        "invalid-parameter", asks("GET", f"{POST}?limit=201"), "from 1 to 200", "limit"
    ),
    "a key of no form": Refusal(
        "invalid-parameter",
        asks("POST", POST, json={}, headers={"Idempotency-Key": "a b"}),
        "expected once, 1 to 255",
        "Idempotency-Key",
    ),
    "somebody unknown": Refusal(
        "unknown-recipient",
        posts(audience={"recipients": ["ann", "bob"]}),
        "PUT /v1/recipients/bob first",
        "#/audience/recipients/1",
    ),
    "an unknown template": Refusal(
        "unknown-template", posts(content=None, template="none"), "PUT /v1/templates", "#/template"
    ),
    "an unknown version": Refusal(
        "unknown-template",
        posts(content=None, template="known", template_version=9),
        "version 9",
        "#/template",
    ),
    "a channel without content": Refusal(
        "missing-channel", posts(channels=["email", "inbox"]), "inbox", "#/content/inbox"
    ),
    "Liquid that is none": Refusal(
        "template-syntax",
        posts(content={"email": {"subject": "{{ open", "text": "x"}}),
        "#/content/email/subject",
        "#/content/email/subject",
    ),
    "a line break in a subject": Refusal(
        "template-failed",
        asks("POST", f"{KNOWN}/preview", json={"data": {"subject": "a\nb"}}),
        "line",
    ),
    "a preview without its data": Refusal(
        "missing-variable",
        asks("POST", f"{KNOWN}/preview", json={"data": {}}),
        "#/data/subject",
        "#/data/subject",
    ),
    "a group in haste": Refusal(
        "bulk-only",
        posts(audience={"groups": ["crew"]}, lane="transactional"),
        "Leave 'lane' out",
        "#/lane",
    ),
    "another body under one key": Refusal(
        "idempotency-mismatch", another_body_under_one_key, "Use a new key"
    ),
    "a header that will not do": Refusal(
        "invalid-import",
        asks("POST", IMPORT, content=b"id,emial\n", headers={"Content-Type": "text/csv"}),
        "'emial'",
    ),
    "too many requests": Refusal("rate-limited", too_often, r"Wait \d+ s", headers=RETRY),
    "too many streams": Refusal(
        "too-many-streams", a_second_stream, "Close", headers=RETRY
    ),
    "a defect": Refusal("internal", asks("GET", "/broken"), "log has more"),
    "no MongoDB": Refusal("unavailable", asks("GET", "/away"), "Repeat the request", headers=RETRY),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
async def test_each_refusal_says_what_is_wrong_where_and_what_to_do(
    intake: Intake, case: str
) -> None:
    refusal = REFUSALS[case]
    answer = await refusal.ask(intake)
    kind, problem = TYPES[refusal.code], answer.json()
    assert (problem["code"], answer.status_code) == (kind.code, kind.status), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["type"] == f"/problems/{kind.code}"
    assert (problem["title"], problem["status"]) == (kind.title, kind.status)
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert re.search(refusal.what_to_do, problem["detail"]), problem["detail"]
    places = [e.get("pointer") or e["parameter"] for e in problem.get("errors", [])]
    assert refusal.place is None or refusal.place in places
    assert all(error["detail"] for error in problem.get("errors", []))
    assert set(refusal.headers) <= set(answer.headers)


def test_every_type_of_problem_is_among_the_cases() -> None:
    shown = {refusal.code for refusal in REFUSALS.values()}
    assert TYPES.keys() - shown == set(), "give these a request that is refused so"
