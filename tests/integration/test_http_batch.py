"""Batches of posts over HTTP, with a real MongoDB behind; RabbitMQ is away."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.directory import Intake, directory_intake

from fogbell.store import notifications
from fogbell.store.database import Database, StoreUnavailableError

PATH = "/v1/notifications/batch"


@pytest.fixture(scope="module")
async def intake(mongo_uri: str) -> AsyncIterator[Intake]:
    async with directory_intake(mongo_uri) as served:
        yield served


def item(address: str = "ann@example.org", **fields: Any) -> dict[str, Any]:
    return {
        "audience": {"addresses": [{"email": address}]},
        "channels": ["email"],
        "content": {"email": {"subject": "Fog", "text": "Bell."}},
    } | fields


BAD: dict[str, tuple[dict[str, Any], int, str]] = {
    "empty": ({}, 422, "invalid-body"),
    "unknown field": (item(sender="x"), 422, "invalid-body"),
    "nobody": (item(audience={"recipients": ["nobody"]}), 422, "unknown-recipient"),
    "no content": (item(channels=["email", "sms"]), 422, "missing-channel"),
    "bulk": (item(audience={"groups": ["g"]}, lane="transactional"), 422, "bulk-only"),
    "key": (item(idempotency_key="a b"), 422, "invalid-body"),
    "key kind": (item(idempotency_key=7), 422, "invalid-body"),
}


async def results(intake: Intake, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    answer = await intake.client.post(PATH, json={"items": items})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["results"]
    assert len(found) == len(items)
    return found


async def stored(intake: Intake) -> int:
    return int(await intake.db.notifications.count_documents({}))


async def test_each_item_is_answered_as_if_it_had_come_alone(intake: Intake) -> None:
    (good, bad) = await results(intake, [item(), BAD["nobody"][0]])
    assert good["status"] == 202
    assert good["replayed"] is False
    read = await intake.client.get(good["notification"]["links"]["self"])
    assert read.json()["totals"]["pending"] == 1
    alone = await intake.client.post("/v1/notifications", json=BAD["nobody"][0])
    assert bad["status"] == 422
    assert bad["problem"] | {"request_id": ""} == alone.json() | {"request_id": ""}


@settings(max_examples=20)
@given(kind=st.sampled_from(sorted(BAD)), where=st.integers(0, 99))
@example(kind="empty", where=0)
@example(kind="nobody", where=99)
async def test_one_bad_item_among_a_hundred_changes_nothing_for_the_others(
    intake: Intake, kind: str, where: int
) -> None:
    bad, status, code = BAD[kind]
    before = await stored(intake)
    items = [item(f"p{n}@example.org", reference=f"r{n}") for n in range(100)]
    items[where] = bad
    found = await results(intake, items)
    assert [n for n, result in enumerate(found) if result["status"] != 202] == [where]
    assert (found[where]["status"], found[where]["problem"]["code"]) == (status, code)
    ids = [UUID(r["notification"]["id"]) for r in found if r["status"] == 202]
    assert await stored(intake) == before + 99
    references = {d["_id"]: d.get("reference") async for d in intake.db.notifications.find()}
    assert [references[id_] for id_ in ids] == [f"r{n}" for n in range(100) if n != where]


@settings(max_examples=25)
@given(kinds=st.lists(st.sampled_from(["good", *BAD]), min_size=1, max_size=12))
async def test_results_are_in_the_order_of_the_items(intake: Intake, kinds: list[str]) -> None:
    items = [BAD[kind][0] if kind in BAD else item() for kind in kinds]
    found = await results(intake, items)
    codes = [result.get("problem", {}).get("code", "good") for result in found]
    assert codes == [BAD[kind][2] if kind in BAD else "good" for kind in kinds]


async def test_a_batch_is_one_commit(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    commits: list[int] = []
    accept = notifications.accept

    async def counted(db: Database, posts: Any, grace: Any) -> None:
        commits.append(len(posts))
        await accept(db, posts, grace)

    monkeypatch.setattr(notifications, "accept", counted)
    await results(intake, [item() for _ in range(100)])
    assert commits == [100]


async def test_an_items_key_is_the_same_as_a_headers(intake: Intake) -> None:
    alone = await intake.client.post(
        "/v1/notifications", json=item(), headers={"Idempotency-Key": "shared-1"}
    )
    (again,) = await results(intake, [item(idempotency_key="shared-1")])
    assert (again["status"], again["replayed"]) == (202, True)
    assert again["notification"] == alone.json()


async def test_a_batch_can_be_repeated(intake: Intake) -> None:
    items = [item(f"{n}@example.org", idempotency_key=f"repeat-{n}") for n in range(20)]
    before = await stored(intake)
    first, second = [await results(intake, items) for _ in range(2)]
    assert [r["notification"] for r in first] == [r["notification"] for r in second]
    assert {r["replayed"] for r in first} == {False}
    assert {r["replayed"] for r in second} == {True}
    assert await stored(intake) == before + 20


async def test_of_two_items_with_one_key_the_first_decides(intake: Intake) -> None:
    one, other = item(idempotency_key="twin"), item("eve@example.org", idempotency_key="twin")
    first, same, different = await results(intake, [one, one, other])
    assert (first["status"], first["replayed"]) == (202, False)
    assert (same["status"], same["replayed"]) == (202, True)
    assert same["notification"] == first["notification"]
    assert different["problem"]["code"] == "idempotency-mismatch"


async def test_batches_with_the_same_keys_at_once_make_each_notification_once(
    intake: Intake,
) -> None:
    items = [item(f"{n}@example.org", idempotency_key=f"race-{n}") for n in range(30)]
    before = await stored(intake)
    answers = await asyncio.gather(*(results(intake, items) for _ in range(8)))
    assert await stored(intake) == before + 30
    for same in zip(*answers, strict=True):
        assert {r["status"] for r in same} == {202}
        assert sum(not r["replayed"] for r in same) == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/items"),
        ({"items": []}, "#/items"),
        ({"items": [item()] * 101}, "#/items"),
        ({"items": [item(), "x"]}, "#/items/1"),
        ({"items": [item()], "more": 1}, "#/more"),
    ],
)
async def test_a_body_that_is_no_batch_is_refused_whole(
    intake: Intake, body: dict[str, Any], pointer: str
) -> None:
    before = await stored(intake)
    answer = await intake.client.post(PATH, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-body")
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert await stored(intake) == before


async def test_a_key_for_the_whole_batch_is_refused_since_it_would_do_nothing(
    intake: Intake,
) -> None:
    answer = await intake.client.post(
        PATH, json={"items": [item()]}, headers={"Idempotency-Key": "k"}
    )
    assert answer.json()["errors"][0]["parameter"] == "Idempotency-Key"


async def test_a_batch_has_a_megabyte_like_any_body(intake: Intake) -> None:
    answer = await intake.client.post(PATH, json={"items": [item(data={"x": "y" * 1_000_000})]})
    assert answer.status_code == 413


async def test_what_could_not_be_stored_says_so_item_by_item(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept = intake.app.state.accepter.accept

    async def flaky(post: Any, *, keyed: bool) -> Any:
        if post.notification.reference == "unlucky":
            raise StoreUnavailableError
        if post.notification.reference == "cursed":
            raise RuntimeError
        return await accept(post, keyed=keyed)

    monkeypatch.setattr(intake.app.state.accepter, "accept", flaky)
    found = await results(intake, [item(), item(reference="unlucky"), item(reference="cursed")])
    assert [result["status"] for result in found] == [202, 503, 500]
    assert [r["problem"]["code"] for r in found[1:]] == ["unavailable", "internal"]
    nothing = await intake.client.post(PATH, json={"items": [item(reference="unlucky")] * 2})
    assert (nothing.status_code, nothing.json()["code"]) == (503, "unavailable")
    assert "retry-after" in nothing.headers
