"""One Idempotency-Key is one notification, however often and at whatever moment it is posted."""

import asyncio
import json
from typing import Any
from uuid import UUID

import httpx2
from tests.support.account import email_ids
from tests.support.system import SECRETS, System, mail
from tests.support.waiting import eventually

from fogbell.identity import notification_id
from fogbell_local.environment import APP, HOST

AT_ONCE = 100


async def _post(system: System, body: dict[str, Any], key: str) -> httpx2.Response:
    headers = {"Idempotency-Key": key}
    return await system.client.post("/v1/notifications", json=body, headers=headers)


async def test_posts_of_one_key_at_the_same_moment_are_one_notification(running: System) -> None:
    people = ["twin-a@example.org", "twin-b@example.org"]
    answers = await asyncio.gather(
        *(_post(running, mail(*people), "hundred") for _ in range(AT_ONCE))
    )
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert len({answer.headers["Location"] for answer in answers}) == 1
    first = [a for a in answers if "Idempotent-Replayed" not in a.headers]
    assert len(first) == 1
    run = answers[0].json()["id"]
    assert run == str(notification_id(APP, "hundred"))
    await running.settled(run)
    account = await running.account(run, expected=email_ids(run, people))
    assert (account.statuses, account.duplicates) == ({"delivered": 2}, 0)


async def test_posts_of_one_key_to_two_replicas_at_the_same_moment_are_one_notification(
    running: System,
) -> None:
    first, people = running.port, ["replica-a@example.org", "replica-b@example.org"]
    replica = await running.start_intake()
    await asyncio.to_thread(replica.wait_ready)
    urls = [f"http://{HOST}:{port}/v1/notifications" for port in (first, running.port)]
    headers = {"Idempotency-Key": "replicas"}
    answers = await asyncio.gather(
        *(
            running.client.post(urls[number % 2], json=mail(*people), headers=headers)
            for number in range(AT_ONCE)
        )
    )
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    run = answers[0].json()["id"]
    await running.settled(run)
    account = await running.account(run, expected=email_ids(run, people))
    assert (account.statuses, account.duplicates) == ({"delivered": 2}, 0)
    assert await running.db.notifications.count_documents({"_id": UUID(run)}) == 1


async def test_another_body_under_a_known_key_is_refused_and_changes_nothing(
    running: System,
) -> None:
    first = await _post(running, mail("known@example.org"), "known")
    other = await _post(running, mail("other@example.org"), "known")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-mismatch")
    same = await _post(running, mail("known@example.org"), "known")
    assert (same.status_code, same.content) == (202, first.content)
    assert same.headers["Idempotent-Replayed"] == "true"
    run = first.json()["id"]
    await running.settled(run)
    await running.account(run, expected=email_ids(run, ["known@example.org"]))


async def test_two_bodies_under_one_key_at_the_same_moment_have_one_winner(
    running: System,
) -> None:
    people = [f"rival-{n % 2}@example.org" for n in range(AT_ONCE)]
    answers = await asyncio.gather(*(_post(running, mail(who), "rivals") for who in people))
    accepted = [(w, a) for w, a in zip(people, answers, strict=True) if a.status_code == 202]
    (winner,) = {who for who, _ in accepted}
    assert len(accepted) == AT_ONCE / 2
    assert len({answer.content for _, answer in accepted}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for _, answer in accepted) == 1
    refused = [a.json()["code"] for a in answers if a.status_code == 422]
    assert refused == ["idempotency-mismatch"] * (AT_ONCE // 2)
    run = str(notification_id(APP, "rivals"))
    await running.settled(run)
    await running.account(run, expected=email_ids(run, [winner]))


async def test_different_bodies_under_one_key_at_the_same_moment_have_one_winner(
    running: System,
) -> None:
    people = [f"race-{n}@example.org" for n in range(20)]
    answers = await asyncio.gather(*(_post(running, mail(who), "race") for who in people))
    (winner,) = [who for who, a in zip(people, answers, strict=True) if a.status_code == 202]
    refused = [a.json()["code"] for a in answers if a.status_code != 202]
    assert refused == ["idempotency-mismatch"] * (len(people) - 1)
    run = str(notification_id(APP, "race"))
    await running.settled(run)
    await running.account(run, expected=email_ids(run, [winner]))


async def test_the_same_json_written_otherwise_is_the_same_body(running: System) -> None:
    body = mail("spelt@example.org")
    first = await _post(running, body, "spelt")
    headers = {"Idempotency-Key": "spelt", "Content-Type": "application/json"}
    turned = json.dumps(dict(reversed(body.items())), indent=3)
    again = await running.client.post("/v1/notifications", content=turned, headers=headers)
    assert (again.status_code, again.content) == (202, first.content)


async def test_who_never_got_the_answer_gets_it_by_asking_again(running: System) -> None:
    body = mail("lost-answer@example.org")
    await _post_and_hang_up(running, body, "lost-answer")
    run = notification_id(APP, "lost-answer")
    stored = running.db.notifications
    await eventually(lambda: stored.find_one({"_id": run}))
    answer = await _post(running, body, "lost-answer")
    assert answer.status_code == 202
    assert answer.headers["Idempotent-Replayed"] == "true"
    assert answer.json()["id"] == str(run)
    await running.settled(str(run))
    account = await running.account(
        str(run), expected=email_ids(str(run), ["lost-answer@example.org"])
    )
    assert (account.statuses, account.duplicates) == ({"delivered": 1}, 0)


async def test_a_refused_post_leaves_its_key_unused(running: System) -> None:
    wrong = mail("free@example.org", channels=["email", "pigeon"])
    assert (await _post(running, wrong, "free")).status_code == 422
    right = await _post(running, mail("free@example.org"), "free")
    assert right.status_code == 202
    assert "Idempotent-Replayed" not in right.headers


async def _post_and_hang_up(system: System, body: dict[str, Any], key: str) -> None:
    content = json.dumps(body).encode()
    head = (
        f"POST /v1/notifications HTTP/1.1\r\nHost: {HOST}\r\n"
        f"Authorization: Bearer {SECRETS.api_key}\r\nIdempotency-Key: {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    _, writer = await asyncio.open_connection(HOST, system.port)
    writer.write(head.encode() + content)
    await writer.drain()
    writer.transport.abort()
