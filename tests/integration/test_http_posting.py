"""Posts that come at once share what they cost, and nothing else: each has its own answer."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.support.directory import Intake, directory_intake
from tests.support.intake import KEY

from fogbell.model.address import Addresses
from fogbell.model.recipient import Recipient
from fogbell.store import recipients

POST = "/v1/notifications"


@pytest.fixture(scope="module")
async def intake(mongo_uri: str) -> AsyncIterator[Intake]:
    async with directory_intake(mongo_uri) as started:
        people = [Recipient(id=f"r{n}", addresses=Addresses(email="a@b.example")) for n in range(9)]
        await recipients.put_many(started.db, people)
        yield started


def _to(*names: str) -> dict[str, Any]:
    return {
        "audience": {"recipients": list(names)},
        "channels": ["email"],
        "content": {"email": {"subject": "Fog", "text": "Bell."}},
    }


async def test_an_unknown_recipient_costs_its_own_post_alone(intake: Intake) -> None:
    wanted = [f"r{n % 9}" if n % 10 else "nobody" for n in range(40)]
    answers = await asyncio.gather(*(intake.client.post(POST, json=_to(name)) for name in wanted))
    assert [a.status_code for a in answers] == [422 if n == "nobody" else 202 for n in wanted]
    refused = next(answer for answer in answers if answer.status_code == 422)
    assert refused.json()["errors"] == [
        {"pointer": "#/audience/recipients/0", "detail": "no recipient 'nobody'"}
    ]
    stored = await intake.db.notifications.distinct("audience.recipients.id")
    assert "nobody" not in stored


async def test_a_post_that_names_many_is_answered_beside_those_that_name_one(
    intake: Intake,
) -> None:
    many = _to(*(f"r{n}" for n in range(9)), "nobody", "nowhere")
    first, second = await asyncio.gather(
        intake.client.post(POST, json=many), intake.client.post(POST, json=_to("r1"))
    )
    assert [error["pointer"] for error in first.json()["errors"]] == [
        "#/audience/recipients/9",
        "#/audience/recipients/10",
    ]
    assert (second.status_code, second.json()["expected"]) == (202, 1)


async def test_a_body_may_come_in_pieces_and_after_its_head(intake: Intake) -> None:
    body = json.dumps(_to("r1")).encode()
    head = (
        f"POST {POST} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    for pieces in ([head + body], [head, body], [head + body[:9], body[9:20], body[20:]]):
        assert (await intake.exchange(*pieces)).startswith(b"HTTP/1.1 202 ")
