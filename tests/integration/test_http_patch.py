"""Changing recipients in part over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.support.directory import Intake, directory_intake

from fogbell.store import recipients

MERGE = {"Content-Type": "application/merge-patch+json"}
ANN = {
    "addresses": {
        "email": "ann@example.org",
        "webhook": {"url": "https://x.example/hook", "secrets": ["whsec_hunter2"]},
        "push": [{"provider": "fcm", "token": "t1"}],
    },
    "locale": "de-AT",
    "groups": ["vip"],
    "attributes": {"first_name": "Ann", "plan": "pro", "nested": {"a": 1, "b": 2}},
}


@pytest.fixture(scope="module")
async def intake(mongo_uri: str) -> AsyncIterator[Intake]:
    async with directory_intake(mongo_uri) as served:
        yield served


async def put(intake: Intake, name: str) -> Any:
    answer = await intake.client.put(f"/v1/recipients/{name}", json=ANN)
    assert answer.status_code == 201
    return answer.json()


async def test_a_patch_changes_what_it_names_and_nothing_else(intake: Intake) -> None:
    before = await put(intake, "ann")
    patch = {"addresses": {"email": "new@example.org"}, "attributes": {"plan": None, "age": 7,
             "nested": {"a": None}}, "locale": None}  # fmt: skip
    answer = await intake.client.patch("/v1/recipients/ann", json=patch, headers=MERGE)
    assert answer.status_code == 200
    assert answer.json() == before | {
        "addresses": before["addresses"] | {"email": "new@example.org"},
        "attributes": {"first_name": "Ann", "nested": {"b": 2}, "age": 7},
        "locale": None,
    }
    assert (await intake.client.get("/v1/recipients/ann")).json() == answer.json()


async def test_secrets_survive_a_patch_that_does_not_name_them(intake: Intake) -> None:
    await put(intake, "keeper")
    patch = {"addresses": {"webhook": {"url": "https://y.example/hook"}}}
    answer = await intake.client.patch("/v1/recipients/keeper", json=patch)
    assert "hunter2" not in answer.text
    stored = await recipients.get(intake.db, "keeper")
    assert stored is not None
    assert stored.addresses.webhook is not None
    assert stored.addresses.webhook.url == "https://y.example/hook"
    assert [s.get_secret_value() for s in stored.addresses.webhook.secrets] == ["whsec_hunter2"]


async def test_an_address_is_taken_away_by_null(intake: Intake) -> None:
    await put(intake, "leaver")
    patch = {"addresses": {"webhook": None, "push": None}}
    answer = await intake.client.patch("/v1/recipients/leaver", json=patch)
    assert answer.json()["addresses"] == {
        "email": "ann@example.org", "sms": None, "push": [], "webhook": None, "apprise": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("patch", "pointer"),
    [
        ({"addresses": {"email": "nonsense"}}, "#/addresses/email"),
        ({"adresses": {}}, "#/adresses"),
        ({"groups": "vip"}, "#/groups"),
        ({"time_zone": "Mars/Base"}, "#/time_zone"),
        ({"id": "other"}, "#/id"),
        ({"id": None}, "#/id"),
    ],
)
async def test_a_patch_to_what_cannot_be_changes_nothing(
    intake: Intake, patch: dict[str, Any], pointer: str
) -> None:
    await intake.client.put("/v1/recipients/solid", json=ANN)
    before = (await intake.client.get("/v1/recipients/solid")).json()
    answer = await intake.client.patch("/v1/recipients/solid", json=patch, headers=MERGE)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-body")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert (await intake.client.get("/v1/recipients/solid")).json() == before


@pytest.mark.parametrize("name", ["nobody", "no body"])
async def test_who_is_not_there_cannot_be_patched(intake: Intake, name: str) -> None:
    answer = await intake.client.patch(f"/v1/recipients/{name}", json={"locale": "en"})
    assert answer.status_code == 404
    assert (await intake.client.get(f"/v1/recipients/{name}")).status_code == 404


async def test_another_media_type_is_refused(intake: Intake) -> None:
    headers = {"Content-Type": "application/json-patch+json"}
    answer = await intake.client.patch("/v1/recipients/ann", content=b"[]", headers=headers)
    assert answer.status_code == 415
    assert "application/merge-patch+json" in answer.headers["accept"]


async def test_changes_at_the_same_time_all_count(intake: Intake) -> None:
    await put(intake, "busy")
    answers = await asyncio.gather(
        *(
            intake.client.patch("/v1/recipients/busy", json={"attributes": {f"a{n}": n}})
            for n in range(6)
        )
    )
    assert {answer.status_code for answer in answers} == {200}
    attributes = (await intake.client.get("/v1/recipients/busy")).json()["attributes"]
    assert {attributes[f"a{n}"] for n in range(6)} == set(range(6))
