"""Suppressions over HTTP, with a real MongoDB behind."""

from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest
from tests.support.directory import Intake, directory_intake

from fogbell.model.status import Channel
from fogbell.store import suppressions

HOOK = "https://hooks.example.org/in?team=a/b&x=%20"


@pytest.fixture(scope="module")
async def intake(mongo_uri: str) -> AsyncIterator[Intake]:
    async with directory_intake(mongo_uri) as served:
        yield served


def path(channel: str, address: str) -> str:
    return f"/v1/suppressions/{channel}/{quote(address, safe='')}"


@pytest.mark.parametrize(
    ("channel", "address"),
    [
        ("email", "ann@example.org"),
        ("email", "o'hara+tag/x@example.org"),
        ("sms", "+31612345678"),
        ("webhook", HOOK),
        ("push", "token:with/slashes"),
    ],
)
async def test_an_address_is_suppressed_looked_up_and_lifted(
    intake: Intake, channel: str, address: str
) -> None:
    where = path(channel, address)
    assert (await intake.client.get(where)).status_code == 404
    created = await intake.client.put(where, json={"reason": "asked us to"})
    assert created.status_code == 201
    assert created.json() == (await intake.client.get(where)).json()
    assert created.json() | {"created_at": ""} == {
        "channel": channel, "address": address, "reason": "asked us to", "created_at": "",
    }  # fmt: skip
    held = await suppressions.suppressed(intake.db, [suppressions.key(Channel(channel), address)])
    assert len(held) == 1
    assert (await intake.client.delete(where)).status_code == 204
    assert (await intake.client.delete(where)).status_code == 404
    assert (await intake.client.get(where)).status_code == 404


async def test_the_body_may_be_left_out(intake: Intake) -> None:
    where = path("email", "nobody@example.org")
    created = await intake.client.put(where)
    assert (created.status_code, created.json()["reason"]) == (201, "manual")
    again = await intake.client.put(where)
    assert (again.status_code, again.json()) == (200, created.json())


async def test_a_second_put_changes_the_reason_alone(intake: Intake) -> None:
    where = path("email", "twice@example.org")
    created = (await intake.client.put(where, json={"reason": "first"})).json()
    changed = await intake.client.put(where, json={"reason": "second"})
    assert changed.status_code == 200
    assert changed.json() == created | {"reason": "second"}
    kept = await intake.client.put(where)
    assert kept.json()["reason"] == "second"


async def test_e_mail_addresses_are_the_same_in_any_case(intake: Intake) -> None:
    await intake.client.put(path("email", "Eve@Example.org"))
    found = await intake.client.get(path("email", "eve@example.ORG"))
    assert (found.status_code, found.json()["address"]) == (200, "Eve@example.org")


async def test_what_a_worker_suppressed_is_found(intake: Intake) -> None:
    now = intake.db.clock.now()
    await suppressions.add(intake.db, Channel.WEBHOOK, HOOK + "gone", "gone", now)
    found = await intake.client.get(path("webhook", HOOK + "gone"))
    assert found.json()["reason"] == "gone"


@pytest.mark.parametrize(
    ("channel", "address", "parameter"),
    [
        ("inbox", "recipient-1", "channel"),
        ("pigeon", "ann@example.org", "channel"),
        ("apprise", "tgram://token/chat", "channel"),
        ("email", "not an address", "address"),
        ("email", "", "address"),
        ("sms", "0612345678", "address"),
        ("webhook", "ftp://example.org", "address"),
        ("push", "a\tb", "address"),
    ],
)
async def test_what_is_no_address_is_refused(
    intake: Intake, channel: str, address: str, parameter: str
) -> None:
    for method in ("PUT", "GET", "DELETE"):
        answer = await intake.client.request(method, path(channel, address))
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-parameter")
        assert answer.json()["errors"][0]["parameter"] == parameter
        assert not address or address not in answer.text


@pytest.mark.parametrize("body", [{"reason": ""}, {"until": "x"}, [], "gone"])
async def test_a_wrong_body_is_refused(intake: Intake, body: object) -> None:
    where = path("email", "unharmed@example.org")
    assert (await intake.client.put(where, json=body)).status_code == 422
    assert (await intake.client.get(where)).status_code == 404


async def test_a_404_does_not_repeat_the_address(intake: Intake) -> None:
    answer = await intake.client.get(path("email", "private@example.org"))
    assert answer.status_code == 404
    assert "private" not in answer.text
