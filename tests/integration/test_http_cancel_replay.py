"""Cancelling and replaying over HTTP; nothing is sent here: there is no worker and no RabbitMQ."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.support.changes import settle_due, statuses, store_run, stored
from tests.support.deliveries import LEASE, claim_all
from tests.support.directory import Intake, directory_intake
from tests.support.waiting import eventually

from fogbell.model.status import DeliveryStatus
from fogbell.store import cancelling, claims, expansions, replay_pages, replaying
from fogbell_intake.routes import changes

S = DeliveryStatus
NOBODY = "01940000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
async def intake(mongo_uri: str) -> AsyncIterator[Intake]:
    async with directory_intake(mongo_uri) as served:
        yield served


async def post(intake: Intake, **fields: Any) -> str:
    body: dict[str, Any] = {
        "audience": {"addresses": [{"email": f"{n}@example.org"} for n in range(3)]},
        "channels": ["email"],
        "content": {"email": {"subject": "Fog", "text": "Bell."}},
    }
    answer = await intake.client.post("/v1/notifications", json=body | fields)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def change(intake: Intake, id_: str | UUID, what: str, body: Any = None) -> Any:
    sent = {} if body is None else {"json": body}
    return await intake.client.post(f"/v1/notifications/{id_}/{what}", **sent)


async def settled_run(intake: Intake, given: dict[S, int]) -> UUID:
    run = await store_run(intake.db, given)
    assert run in await settle_due(intake.db)
    return run


async def test_a_202_says_where_to_look_to_cancel_and_to_replay(intake: Intake) -> None:
    answer = await intake.client.get(f"/v1/notifications/{await post(intake)}")
    links = answer.json()["links"]
    assert set(links) == {"self", "deliveries", "cancel", "replay"}
    for name in ("self", "deliveries"):
        assert (await intake.client.get(links[name])).status_code == 200
    for name in ("replay", "cancel"):
        assert (await intake.client.post(links[name])).status_code == 200


async def failed_expansion(intake: Intake) -> UUID:
    run = UUID(await post(intake, audience={"groups": ["nobody"]}))
    token = claims.new_token()
    assert await expansions.take(intake.db, run, token, LEASE)
    assert await expansions.fail(intake.db, run, token, limit=1, pause=LEASE)
    return run


async def test_a_replay_lets_a_failed_expansion_go_on(intake: Intake) -> None:
    run = await failed_expansion(intake)
    shown = (await intake.client.get(f"/v1/notifications/{run}")).json()
    assert (shown["status"], shown["reason"]) == ("expanding", "expansion_failed")
    answer = await change(intake, run, "replay")
    assert answer.status_code == 202
    resumed = answer.json()
    assert (resumed["status"], resumed["reason"], resumed["replayed"]) == ("expanding", None, None)
    assert await expansions.take(intake.db, run, "another", LEASE)
    assert (await change(intake, run, "replay")).status_code == 409


async def test_a_cancelled_notification_ends_though_its_expansion_has_failed(
    intake: Intake,
) -> None:
    run = await failed_expansion(intake)
    answer = await change(intake, run, "cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")


class TestCancel:
    async def test_settles_what_has_not_been_sent(self, intake: Intake) -> None:
        id_ = await post(intake)
        answer = await change(intake, id_, "cancel")
        shown = answer.json()
        assert (answer.status_code, shown["status"]) == (200, "cancelled")
        assert shown["totals"] | {"cancelled": 0} == dict.fromkeys(S, 0)
        assert shown["totals"]["cancelled"] == shown["expected"] == 3
        assert shown["cancelled_at"] <= shown["settled_at"]
        assert shown == (await intake.client.get(shown["links"]["self"])).json()
        deliveries = await intake.client.get(shown["links"]["deliveries"])
        assert {d["reason"] for d in deliveries.json()["items"]} == {"cancelled"}

    async def test_repeating_it_changes_nothing(self, intake: Intake) -> None:
        id_ = await post(intake)
        first, again = [await change(intake, id_, "cancel") for _ in range(2)]
        assert (again.status_code, again.json()) == (200, first.json())

    async def test_answers_202_while_something_is_being_sent(self, intake: Intake) -> None:
        id_ = await post(intake)
        cursor = intake.db.deliveries.find({"notification_id": UUID(id_)}).limit(1)
        await claim_all(intake.db, [d["_id"] async for d in cursor])
        for _ in range(2):
            answer = await change(intake, id_, "cancel")
            assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
            assert answer.json()["settled_at"] is None
            totals = answer.json()["totals"]
            assert (totals["cancelled"], totals["sending"]) == (2, 1)

    async def test_what_is_settled_stays_as_it_is(self, intake: Intake) -> None:
        run = await settled_run(intake, {S.DELIVERED: 2})
        answer = await change(intake, run, "cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "settled")
        assert answer.json()["cancelled_at"] is None

    async def test_a_scheduled_one_never_goes_out(self, intake: Intake) -> None:
        later = (intake.db.clock.now() + timedelta(hours=1)).isoformat()
        id_ = await post(intake, send_at=later)
        answer = await change(intake, id_, "cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
        assert (answer.json()["expected"], answer.json()["settled_at"] is None) == (0, False)

    async def test_an_idempotency_key_still_gives_its_first_answer(self, intake: Intake) -> None:
        headers = {"Idempotency-Key": "cancelled-1"}
        body = {
            "audience": {"addresses": [{"email": "k@example.org"}]},
            "channels": ["email"],
            "content": {"email": {"subject": "Fog", "text": "Bell."}},
        }
        first = await intake.client.post("/v1/notifications", json=body, headers=headers)
        await change(intake, first.json()["id"], "cancel")
        again = await intake.client.post("/v1/notifications", json=body, headers=headers)
        assert again.json() == first.json()
        assert (await statuses(intake.db, UUID(first.json()["id"]))) == {"cancelled": 1}

    async def test_goes_on_after_the_answer_where_it_takes_long(
        self, intake: Intake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cancelling, "PAGE", 2)
        monkeypatch.setattr(changes, "ANSWER_WITHIN", 0)
        run = await store_run(intake.db, {S.PENDING: 20})
        answer = await change(intake, run, "cancel")
        assert answer.status_code == 202

        async def settled() -> bool:
            return "settled_at" in await stored(intake.db, run)

        await eventually(settled)
        assert await statuses(intake.db, run) == {"cancelled": 20}


class TestReplay:
    async def test_puts_back_what_is_dead_unless_told_otherwise(self, intake: Intake) -> None:
        run = await settled_run(intake, {S.DEAD: 2, S.SKIPPED: 1, S.DELIVERED: 1})
        answer = await change(intake, run, "replay")
        shown = answer.json()
        assert (answer.status_code, shown["replayed"], shown["status"]) == (200, 2, "sending")
        assert shown["settled_at"] is None
        assert shown["totals"] == dict.fromkeys(S, 0) | {"pending": 2, "skipped": 1, "delivered": 1}
        deliveries = await intake.client.get(shown["links"]["deliveries"] + "?status=pending")
        assert [d["replays"] for d in deliveries.json()["items"]] == [1, 1]

    async def test_puts_back_the_statuses_and_the_channel_that_are_named(
        self, intake: Intake
    ) -> None:
        run = await settled_run(intake, {S.DEAD: 1, S.SKIPPED: 2})
        none = await change(intake, run, "replay", {"status": ["skipped"], "channel": "sms"})
        assert none.json()["replayed"] == 0
        some = await change(intake, run, "replay", {"status": ["skipped"], "channel": "email"})
        assert some.json()["replayed"] == 2

    async def test_of_nothing_leaves_the_totals_settled(self, intake: Intake) -> None:
        run = await settled_run(intake, {S.DELIVERED: 1})
        before = await stored(intake.db, run)
        answer = await change(intake, run, "replay", {})
        assert (answer.status_code, answer.json()["replayed"]) == (200, 0)
        assert await stored(intake.db, run) == before

    async def test_of_a_cancelled_one_has_to_say_so(self, intake: Intake) -> None:
        id_ = await post(intake)
        await change(intake, id_, "cancel")
        refused = await change(intake, id_, "replay")
        assert (refused.status_code, refused.json()["code"]) == (409, "not-replayable")
        lifted = await change(intake, id_, "replay", {"status": ["cancelled"]})
        assert (lifted.json()["replayed"], lifted.json()["status"]) == (3, "sending")
        assert lifted.json()["cancelled_at"] is None

    async def test_refuses_what_cannot_be_sent_any_more(self, intake: Intake) -> None:
        past = intake.db.clock.now() - timedelta(hours=1)
        expired = await store_run(intake.db, {S.DEAD: 1}, expires_at=past)
        expanding = await store_run(intake.db, {}, expanded_at=None, expected_by_channel=None)
        purged = await settled_run(intake, {S.DEAD: 1})
        await intake.db.notifications.update_one({"_id": purged}, {"$set": {"purged_at": past}})
        busy = await settled_run(intake, {S.DEAD: 1})
        other = replaying.Selection(frozenset({S.DEAD, S.SKIPPED}))
        await replaying.begin(intake.db, busy, other, LEASE)
        for run in (expired, expanding, purged, busy):
            answer = await change(intake, run, "replay")
            assert (answer.status_code, answer.json()["code"]) == (409, "not-replayable")

    @pytest.mark.parametrize(
        ("body", "place"),
        [
            ({"status": []}, "#/status"),
            ({"status": ["dead", "pending"]}, "#/status/1"),
            ({"status": ["lost"]}, "#/status/0"),
            ({"status": "dead"}, "#/status"),
            ({"channel": "inbox"}, "#/channel"),
            ({"channel": "pigeon"}, "#/channel"),
            ({"limit": 1}, "#/limit"),
        ],
    )
    async def test_a_wrong_body_changes_nothing(
        self, intake: Intake, body: dict[str, Any], place: str
    ) -> None:
        run = await settled_run(intake, {S.DEAD: 1})
        answer = await change(intake, run, "replay", body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-body")
        assert answer.json()["errors"][0]["pointer"] == place
        assert await statuses(intake.db, run) == {"dead": 1}

    async def test_goes_on_after_the_answer_where_it_takes_long(
        self, intake: Intake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(replay_pages, "PAGE", 2)
        monkeypatch.setattr(changes, "ANSWER_WITHIN", 0)
        run = await settled_run(intake, {S.DEAD: 20})
        answer = await change(intake, run, "replay")
        assert (answer.status_code, answer.json()["replayed"]) == (202, None)

        async def finished() -> bool:
            return "replaying" not in await stored(intake.db, run)

        await eventually(finished)
        assert await statuses(intake.db, run) == {"pending": 20}


@pytest.mark.parametrize("what", ["cancel", "replay"])
@pytest.mark.parametrize("id_", [NOBODY, "nonsense"])
async def test_what_is_not_there_is_404(intake: Intake, what: str, id_: str) -> None:
    answer = await change(intake, id_, what)
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


@pytest.mark.parametrize("what", ["cancel", "replay"])
async def test_a_query_is_refused_since_it_would_do_nothing(intake: Intake, what: str) -> None:
    answer = await change(intake, await post(intake), f"{what}?status=dead")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-parameter")
