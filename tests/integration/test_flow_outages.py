"""RabbitMQ and MongoDB may go away and come back: nothing is lost, nobody is restarted."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from uuid import UUID

from tests.support.account import email_ids
from tests.support.measuring import Stopwatch
from tests.support.system import LONG_LEASES, Ground, System, mail, when

from fogbell_local.servers import MongoServer, RabbitServer
from fogbell_local.sink.server import Behaviour

PEOPLE = [f"p{n}@example.org" for n in range(600)]
BACK = 30.0
"""Seconds within which all is as before; it takes a few, on a machine that does nothing else."""


async def _in_the_middle(system: System) -> tuple[str, set[UUID]]:
    """A bulk run of which a part has arrived."""
    posted = await system.post(mail(*PEOPLE))
    await when(lambda: system.accepted_mails() > len(PEOPLE) / 4)
    return posted["id"], email_ids(posted["id"], PEOPLE)


def _all_alive(system: System) -> bool:
    return all(component.program.exit_status is None for component in system.started)


async def test_what_rabbitmq_forgot_is_delivered_by_the_sweep(
    ground: Ground, own_rabbit: RabbitServer
) -> None:
    ground.sink.restart(Behaviour(delay=0.1))
    own = replace(ground, rabbitmq=own_rabbit.uri)
    async with System(own, settings=LONG_LEASES) as system:
        run, expected = await _in_the_middle(system)
        await asyncio.to_thread(own_rabbit.wipe)
        assert system.accepted_mails() < len(PEOPLE)
        await system.settled(run, within=60)
        account = await system.account(run, expected=expected)
        assert (account.statuses, account.duplicates) == ({"delivered": len(PEOPLE)}, 0)
        assert account.lost_leases == 0
        assert _all_alive(system)


async def test_posts_are_accepted_while_rabbitmq_is_away_and_delivered_once_it_is_back(
    ground: Ground, own_rabbit: RabbitServer, stopwatch: Stopwatch
) -> None:
    async with System(replace(ground, rabbitmq=own_rabbit.uri)) as system:
        await asyncio.to_thread(own_rabbit.kill)
        posted = [await system.post(mail(address)) for address in PEOPLE[:5]]
        ids = [post["id"] for post in posted]
        await asyncio.to_thread(own_rabbit.restart)
        stopwatch.restart()
        everything = lambda: system.accepted_mails() == len(ids)  # noqa: E731 - it has no other use
        await stopwatch.until("what waited for RabbitMQ is delivered", everything, BACK)
        await system.settled(*ids)
        account = await system.account(*ids, expected=_one_each(ids))
        assert (account.statuses, account.duplicates) == ({"delivered": 5}, 0)
        assert _all_alive(system)


def _one_each(ids: Iterable[str]) -> set[UUID]:
    people = zip(ids, PEOPLE, strict=False)
    return set().union(*(email_ids(i, [address]) for i, address in people))


async def test_nothing_is_lost_nor_restarted_where_mongodb_is_away_for_20_seconds(
    ground: Ground, own_mongo: MongoServer, stopwatch: Stopwatch
) -> None:
    ground.sink.restart(Behaviour(delay=0.1))
    async with System(replace(ground, mongodb=own_mongo.uri)) as system:
        run, expected = await _in_the_middle(system)
        away = asyncio.create_task(asyncio.sleep(20))
        await asyncio.to_thread(own_mongo.stop)
        await _assert_unavailable(system)
        sent = system.accepted_mails()
        assert sent < len(PEOPLE)
        await away
        # What was sent could not be recorded: nothing more may have been begun.
        assert system.accepted_mails() <= sent + 100
        await asyncio.to_thread(own_mongo.restart)
        stopwatch.restart()
        await stopwatch.until("MongoDB is back and a request is answered", _reads(system), BACK)
        await stopwatch.until("what MongoDB held up is delivered", _settled(system, run), 2 * BACK)
        account = await system.account(run, expected=expected)
        assert account.statuses == {"delivered": len(PEOPLE)}
        assert await system.db.notifications.count_documents({}) == 1
        assert await system.db.deliveries.count_documents({}) == len(PEOPLE)
        assert await system.db.recipients.count_documents({}) == 0
        assert _all_alive(system)
        later = await system.post(mail("later@example.org"))
        await system.settled(later["id"])


def _reads(system: System) -> Callable[[], Awaitable[bool]]:
    async def read() -> bool:
        return (await system.client.get("/v1/notifications")).status_code == 200

    return read


def _settled(system: System, run: str) -> Callable[[], Awaitable[bool]]:
    async def settled() -> bool:
        return bool((await system.get(f"/v1/notifications/{run}"))["status"] == "settled")

    return settled


async def _assert_unavailable(system: System) -> None:
    """Whatever would change something is refused, and says when to come again."""
    late = mail("late@example.org")
    lines = {"Content-Type": "application/x-ndjson"}
    answers = await asyncio.gather(
        system.client.post("/v1/notifications", json=late),
        system.client.post("/v1/notifications", json=late, headers={"Idempotency-Key": "late"}),
        system.client.put("/v1/recipients/late", json={}),
        system.client.post("/v1/recipients/import", content=b'{"id": "late"}', headers=lines),
        system.client.post("/v1/notifications/batch", json={"items": [late]}),
    )
    for answer in answers:
        assert answer.status_code == 503, (answer.request.url, answer.text)
        assert answer.headers["Retry-After"] == "2"
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == "unavailable"
