"""Lists over HTTP: notifications, recipients, and what one recipient got."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.support.deliveries import GRACE, new_delivery
from tests.support.directory import Intake, directory_intake
from tests.support.notifications import new_notification
from tests.support.profiling import profiled

from fogbell.identity import uuid7
from fogbell.model.notification import Progress
from fogbell.model.status import Channel, DeliveryStatus, NotificationStatus
from fogbell.store import deliveries, notifications, progress

BODY = {
    "audience": {"addresses": [{"email": "ann@example.org"}]},
    "channels": ["email"],
    "content": {"email": {"subject": "Fog", "text": "Bell."}},
}
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
async def intake(mongo_uri: str) -> AsyncIterator[Intake]:
    async with directory_intake(mongo_uri) as served:
        yield served


async def listed(intake: Intake, path: str, **query: Any) -> list[dict[str, Any]]:
    """Everything in a list, a page at a time."""
    items: list[dict[str, Any]] = []
    while True:
        answer = await intake.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        items += page["items"]
        if page["next"] is None:
            return items
        assert len(page["items"]) == query.get("limit", 50)
        query["after"] = page["next"]


async def store(intake: Intake, frozen: Progress | None = None, **fields: Any) -> UUID:
    """A notification as it stands after some time."""
    now = intake.db.clock.now()
    notification = new_notification(**({"created_at": now} | fields))
    kept = progress.frozen_fields(frozen, now, HOUR) if frozen else None
    post = notifications.Accept(notification, [], None, NotificationStatus.SENDING, kept)
    await notifications.accept(intake.db, [post], GRACE)
    return notification.id


async def test_notifications_are_listed_newest_first_without_a_gap_or_a_repeat(
    intake: Intake,
) -> None:
    # Several share each millisecond.
    start = intake.db.clock.now() - HOUR
    ids = [
        await store(intake, reference="pages", created_at=start + timedelta(milliseconds=n // 4))
        for n in range(23)
    ]
    found = await listed(intake, "/v1/notifications", reference="pages", limit=5)
    assert {item["id"] for item in found} == {str(id_) for id_ in ids}
    order = [(item["created_at"], item["id"]) for item in found]
    assert len(order) == 23
    assert order == sorted(order, reverse=True)


async def test_a_posted_notification_is_found_by_its_reference(intake: Intake) -> None:
    posted = await intake.client.post("/v1/notifications", json=BODY | {"reference": "A-1"})
    (found,) = await listed(intake, "/v1/notifications", reference="A-1")
    read = (await intake.client.get(found["links"]["self"])).json()
    assert found["id"] == posted.json()["id"]
    # What would have to be counted is left to the notification's own page.
    assert read | {"totals": None, "by_channel": None} == found
    assert await listed(intake, "/v1/notifications", reference="A-2") == []


async def test_frozen_totals_are_shown_in_the_list(intake: Intake) -> None:
    now = intake.db.clock.now()
    reached = progress.summed({Channel.EMAIL: {DeliveryStatus.DEAD: 2}})
    await store(intake, reached, reference="frozen", expanded_at=now, expected=2)
    (found,) = await listed(intake, "/v1/notifications", reference="frozen")
    assert found["totals"]["dead"] == 2
    assert found == (await intake.client.get(found["links"]["self"])).json()


async def test_status_is_that_of_the_notification(intake: Intake) -> None:
    now = intake.db.clock.now()
    past = now - HOUR
    stored: dict[str, dict[str, Any]] = {
        "scheduled": {"send_at": now + HOUR},
        "expanding": {"send_at": past},
        "sending": {"expanded_at": past},
        "settled": {"expanded_at": past, "settled_at": now},
        "cancelled": {"expanded_at": past, "cancelled_at": past},
    }
    ids = {
        status: await store(intake, reference="status", **fields)
        for status, fields in stored.items()
    }
    ended = await store(
        intake, reference="status", cancelled_at=past, settled_at=now, send_at=now + HOUR
    )
    for status in NotificationStatus:
        found = await listed(intake, "/v1/notifications", reference="status", status=status.value)
        expected = [ids[status.value]] + ([ended] if status == "cancelled" else [])
        assert {item["id"] for item in found} == {str(id_) for id_ in expected}
        assert {item["status"] for item in found} == {status.value}


async def test_created_after_leaves_out_that_moment_itself(intake: Intake) -> None:
    start = datetime.fromisoformat("2026-01-01T10:00:00Z")
    for minutes in range(3):
        await store(intake, reference="when", created_at=start + timedelta(minutes=minutes))
    moment = "2026-01-01T11:01:00+01:00"
    found = await listed(intake, "/v1/notifications", reference="when", created_after=moment)
    assert [item["created_at"] for item in found] == ["2026-01-01T10:02:00.000Z"]


@pytest.mark.parametrize("query", [{}, {"reference": "cost"}])
async def test_a_page_reads_what_it_shows(intake: Intake, query: dict[str, str]) -> None:
    for _ in range(12):
        await store(intake, reference="cost")
    async with profiled(intake.db, intake.db.notifications) as seen:
        await intake.client.get("/v1/notifications", params={"limit": 3, **query})
    assert seen[0]["docsExamined"] == 4
    assert "hasSortStage" not in seen[0]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"status": "late"}, "status"),
        ({"created_after": "2026-01-01T00:00:00"}, "created_after"),
        ({"created_after": "1"}, "created_after"),
        ({"reference": ""}, "reference"),
        ({"reference": "x" * 201}, "reference"),
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"after": "x"}, "after"),
        ({"after": "WzEsICJ4Il0"}, "after"),
        ({"after": "Wzk5OTk5OTk5OTk5OTk5OTk5OSwgIngiXQ"}, "after"),
        ({"app": "shop"}, "app"),
    ],
)
async def test_a_wrong_query_is_refused(
    intake: Intake, query: dict[str, str], parameter: str
) -> None:
    answer = await intake.client.get("/v1/notifications", params=query)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-parameter")
    assert answer.json()["errors"][0]["parameter"] == parameter


async def test_recipients_are_listed_by_id_all_or_those_of_a_group(intake: Intake) -> None:
    for number in range(7):
        groups = ["odd"] if number % 2 else ["even", "few"]
        await intake.client.put(f"/v1/recipients/r{number}", json={"groups": groups})
    everybody = await listed(intake, "/v1/recipients", limit=2)
    assert [r["id"] for r in everybody] == [f"r{n}" for n in range(7)]
    odd = await listed(intake, "/v1/recipients", group="odd", limit=3)
    assert [r["id"] for r in odd] == ["r1", "r3", "r5"]
    assert odd[0] == (await intake.client.get("/v1/recipients/r1")).json()
    assert await listed(intake, "/v1/recipients", group="nobody") == []
    wrong = await intake.client.get("/v1/recipients", params={"group": "a b"})
    assert wrong.json()["errors"][0]["parameter"] == "group"


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 20])
async def test_a_recipients_deliveries_are_listed_newest_first(intake: Intake, limit: int) -> None:
    name = f"busy{limit}"
    start = intake.db.clock.now()
    new = [new_delivery(uuid7(), name) for _ in range(13)]
    await deliveries.insert(intake.db, new, GRACE)
    # Runs of 1, 2, 4 and 6 in the same millisecond.
    for number, delivery in enumerate(new):
        at = start + timedelta(milliseconds=[0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3][number])
        await intake.db.deliveries.update_one({"_id": delivery.id}, {"$set": {"created_at": at}})
    found = await listed(intake, f"/v1/recipients/{name}/deliveries", limit=limit)
    order = [(item["created_at"], item["id"]) for item in found]
    assert order == sorted(order, reverse=True)
    assert {item["id"] for item in found} == {str(delivery.id) for delivery in new}
    assert len(found) == 13
    assert found[0] == (await intake.client.get(f"/v1/deliveries/{found[0]['id']}")).json()


async def test_who_has_left_the_directory_still_shows_what_they_got(intake: Intake) -> None:
    await deliveries.insert(intake.db, [new_delivery(uuid7(), "left")], GRACE)
    assert len(await listed(intake, "/v1/recipients/left/deliveries")) == 1
    assert (await intake.client.get("/v1/recipients/left")).status_code == 404


async def test_a_recipient_who_got_nothing_has_an_empty_list(intake: Intake) -> None:
    await intake.client.put("/v1/recipients/quiet", json={})
    assert await listed(intake, "/v1/recipients/quiet/deliveries") == []
    for name in ("unknown", "un known"):
        answer = await intake.client.get(f"/v1/recipients/{name}/deliveries")
        assert answer.status_code == 404
