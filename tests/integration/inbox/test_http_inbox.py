"""The inbox over HTTP: tokens, pages, marks, browsers."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from tests.support.inbox import store_history, store_items
from tests.support.inbox_intake import ORIGIN, Intake, code
from tests.support.listening import STREAM

from fogbell.model.recipient import Recipient
from fogbell.store import recipients
from fogbell_intake.tokens import TokenSigner

SECOND = timedelta(seconds=1)


# Tokens


async def test_an_app_makes_a_token_that_opens_the_recipients_inbox(
    intake: Intake, ann: str
) -> None:
    await recipients.put(intake.db, Recipient(id=ann))
    await store_items(intake.db, ann, ["hello"])
    made = await intake.client.post(f"/v1/recipients/{ann}/tokens")
    assert made.status_code == 201
    token = made.json()["token"]
    assert token.startswith("fbi_")
    assert set(made.json()) == {"token", "expires_at"}
    opened = await intake.client.get("/v1/inbox", headers={"Authorization": f"Bearer {token}"})
    assert [item["title"] for item in opened.json()["items"]] == ["hello"]


async def test_nobody_unknown_gets_a_token(intake: Intake, ann: str) -> None:
    assert code(await intake.client.post(f"/v1/recipients/{ann}/tokens")) == (404, "not-found")


async def test_a_refused_token_says_whether_it_is_bad_or_expired(intake: Intake, ann: str) -> None:
    expired = intake.token(ann, -SECOND)
    other = TokenSigner(SecretStr("x" * 32)).issue(ann, intake.db.clock.now())[0]
    api_key = intake.client.headers["authorization"].removeprefix("Bearer ")
    for path in ("/v1/inbox", STREAM):
        for token, kind in (
            (expired, "expired-token"),
            (other, "invalid-token"),
            (api_key, "invalid-token"),
        ):
            headers = {"Authorization": f"Bearer {token}"}
            assert code(await intake.client.get(path, headers=headers)) == (401, kind)


async def test_a_token_is_no_api_key(intake: Intake, ann: str) -> None:
    headers = {"Authorization": f"Bearer {intake.token(ann)}"}
    answer = await intake.client.post(f"/v1/recipients/{ann}/tokens", headers=headers)
    assert code(answer) == (401, "invalid-api-key")


# Reading and marking


async def test_items_come_newest_first_in_pages_with_the_number_unread(
    intake: Intake, ann: str
) -> None:
    await store_history(intake.db, ann, "abcde", intake.db.clock.now(), SECOND)
    titles: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = (await intake.get(ann, **query)).json()
        assert page["unread"] == 5
        titles += [item["title"] for item in page["items"]]
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert titles == list("edcba")


async def test_an_item_is_answered_whole(intake: Intake, ann: str) -> None:
    (item_id,) = await store_items(intake.db, ann, ["hello"])
    (item,) = (await intake.get(ann)).json()["items"]
    assert item.pop("stored_at").endswith("Z")
    assert uuid.UUID(item.pop("notification_id"))
    assert item == {
        "id": str(item_id),
        "title": "hello",
        "body": "b",
        "url": "/u",
        "data": {"n": 1},
        "seen_at": None,
        "read_at": None,
        "archived_at": None,
    }


async def test_marks_are_kept_from_their_first_time(intake: Intake, ann: str) -> None:
    (item_id,) = await store_items(intake.db, ann, ["hello"])
    for what, fields in (
        ("seen", {"seen_at"}),
        ("read", {"seen_at", "read_at"}),
        ("archive", {"seen_at", "read_at", "archived_at"}),
    ):
        first, again = [await intake.mark(ann, item_id, what) for _ in range(2)]
        assert first.status_code == again.status_code == 200
        assert first.json() == again.json()
        marks = {name for name in ("seen_at", "read_at", "archived_at") if first.json()[name]}
        assert marks == fields
    assert (await intake.get(ann)).json() == {"items": [], "next": None, "unread": 0}
    assert len((await intake.get(ann, archived="true")).json()["items"]) == 1
    assert (await intake.get(ann, archived="true", unread="true")).json()["items"] == []


async def test_somebody_elses_item_and_none_at_all_are_answered_alike(
    intake: Intake, ann: str, bob: str
) -> None:
    (bobs,) = await store_items(intake.db, bob, ["secret"])
    answers = [await intake.mark(ann, item, "read") for item in (bobs, uuid.uuid4(), "no-id")]
    documents = [answer.json() | {"request_id": ""} for answer in answers]
    assert answers[0].status_code == 404
    assert documents[0] == documents[1] == documents[2]
    assert (await intake.get(bob)).json()["items"][0]["read_at"] is None


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"unread": "yes"}, "unread"),
        ({"archived": "1"}, "archived"),
        ({"limit": "0"}, "limit"),
        ({"after": "nonsense"}, "after"),
        ({"page": "2"}, "page"),
        ({"token": "fbi_"}, "token"),
    ],
)
async def test_a_wrong_parameter_is_named(
    intake: Intake, ann: str, query: dict[str, str], name: str
) -> None:
    answer = await intake.get(ann, **query)
    assert code(answer) == (422, "invalid-parameter")
    assert answer.json()["errors"][0]["parameter"] == name


# Browsers


async def test_pages_of_an_allowed_origin_may_ask_for_the_inbox_and_nothing_else(
    intake: Intake,
) -> None:
    headers = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization,last-event-id",
    }
    for path, allowed in (
        ("/v1/inbox", True),
        (STREAM, True),
        (f"/v1/inbox/{uuid.uuid4()}/read", True),
        ("/v1/recipients/ann", False),
        ("/v1/inboxes", False),
    ):
        preflight = await intake.client.options(path, headers=headers)
        assert (preflight.headers.get("access-control-allow-origin") == ORIGIN) is allowed
        assert (preflight.status_code == 200) is allowed


async def test_pages_of_other_origins_may_not_and_errors_are_readable_for_the_allowed(
    intake: Intake,
) -> None:
    bad = {"Authorization": "Bearer fbi_x"}
    for origin, allowed in ((ORIGIN, ORIGIN), ("https://evil.example.org", None)):
        answer = await intake.client.get("/v1/inbox", headers=bad | {"Origin": origin})
        assert answer.status_code == 401
        assert answer.headers.get("access-control-allow-origin") == allowed
        assert "access-control-allow-credentials" not in answer.headers
