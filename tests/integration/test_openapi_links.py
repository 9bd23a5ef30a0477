"""The links of the interface's document, each followed: it leads to what was made or listed."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest
from tests.support.directory import Intake, directory_intake
from tests.support.inbox_intake import sign

from fogbell_intake import openapi
from fogbell_intake.routes import TABLE

DOCUMENT = openapi.document(TABLE)
Json = dict[str, Any]

TEXT = {"email": {"subject": "Fog", "text": "Bell."}, "inbox": {"title": "Fog"}}
POST = {"audience": {"recipients": ["ann"]}, "channels": list(TEXT), "content": TEXT}
HOOK = {"url": "https://hooks.example.org/", "events": ["notification.settled"]}
PATHS = {"id": "ann", "name": "known", "channel": "email", "address": "ann@example.org"}
BODIES: dict[str, Any] = {
    "post_notifications": POST,
    "post_notifications_id_replay": {},
    "put_recipients_id": {},
    "patch_recipients_id": {"locale": "de"},
    "put_templates_name": {"locales": {"en": TEXT}},
    "post_templates_name_preview": {},
    "put_suppressions_channel_address": {},
    "post_api_keys": {"name": "reader", "scopes": ["read"]},
    "post_endpoints": HOOK,
}
"""A body that is taken, for each operation that asks for one."""


def _operations() -> dict[str, tuple[str, str, Json]]:
    return {
        operation["operationId"]: (method.upper(), path, operation)
        for path, methods in DOCUMENT["paths"].items()  # type: ignore[attr-defined]
        for method, operation in methods.items()
    }


OPERATIONS = _operations()


def _links(source: str) -> Iterator[tuple[str, str]]:
    """Those of one operation; of a list one, since all of them begin at its first item."""
    answers = OPERATIONS[source][2]["responses"].values()
    targets = sorted({target for answer in answers for target in answer.get("links", ())})
    yield from ((source, target) for target in targets[: 1 if source.startswith("get") else None])


LINKS = [link for source in OPERATIONS for link in _links(source)]


@pytest.fixture(scope="module")
async def intake(mongo_uri: str) -> AsyncIterator[Intake]:
    async with directory_intake(mongo_uri) as served:
        yield served


async def _ask(intake: Intake, operation: str, asked: dict[str, str]) -> httpx2.Response:
    method, path, _ = OPERATIONS[operation]
    for parameter, value in asked.items():
        path = path.replace(f"{{{parameter}}}", value)
    headers = {}
    if "/inbox" in path:
        headers["Authorization"] = f"Bearer {sign('ann')}"
    body = BODIES.get(operation)
    return await intake.client.request(method, path, json=body, headers=headers)


async def _made(intake: Intake) -> str:
    """Something of each kind, so that no list is empty; the id of a notification."""
    # An app may have ten of them.
    await intake.db.endpoints.delete_many({})
    for name in ("put_recipients_id", "put_templates_name", "post_api_keys", "post_endpoints"):
        answer = await _ask(intake, name, PATHS)
        assert answer.is_success, answer.text
    posted = await _ask(intake, "post_notifications", {})
    assert posted.is_success, posted.text
    return str(posted.json()["id"])


def _found(expression: str, answer: httpx2.Response, asked: dict[str, str]) -> str:
    """What one of OpenAPI's runtime expressions says."""
    where, _, rest = expression.partition("#")
    if where != "$response.body":
        return asked[where.removeprefix("$request.path.")]
    value = answer.json()
    for part in rest.strip("/").split("/"):
        value = value[int(part) if part.isdigit() else part]
    return str(value)


@pytest.mark.parametrize(("source", "target"), LINKS, ids=[f"{a}-{b}" for a, b in LINKS])
async def test_a_link_leads_to_what_was_made_or_listed(
    intake: Intake, source: str, target: str
) -> None:
    notification = await _made(intake)
    asked = PATHS | ({"id": notification} if source.startswith("get_notifications_id") else {})
    answer = await _ask(intake, source, asked)
    assert answer.is_success, answer.text
    declared = OPERATIONS[source][2]["responses"][str(answer.status_code)]
    places = declared["links"][target]["parameters"]
    found = {name: _found(place, answer, asked) for name, place in places.items()}
    followed = await _ask(intake, target, found)
    # A replay of what has not settled is refused, and it is there.
    assert followed.is_success or followed.status_code == 409, followed.text
