"""RabbitMQ and MongoDB may go away and come back: nothing is lost, nobody is restarted."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

import httpx2
from tests.support.account import email_ids
from tests.support.system import Ground, System, mail, when

from fogbell_local.servers import MongoServer, RabbitServer
from fogbell_local.sink.server import Behaviour

PEOPLE = [f"p{n}@example.org" for n in range(600)]


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
    async with System(replace(ground, rabbitmq=own_rabbit.uri)) as system:
        run, expected = await _in_the_middle(system)
        await asyncio.to_thread(own_rabbit.wipe)
        assert system.accepted_mails() < len(PEOPLE)
        await system.settled(run, within=60)
        account = await system.account(run, expected=expected)
        assert (account.statuses, account.duplicates) == ({"delivered": len(PEOPLE)}, 0)
        assert account.lost_leases == 0
        assert _all_alive(system)


async def test_posts_are_accepted_while_rabbitmq_is_away_and_delivered_once_it_is_back(
    ground: Ground, own_rabbit: RabbitServer
) -> None:
    async with System(replace(ground, rabbitmq=own_rabbit.uri)) as system:
        await asyncio.to_thread(own_rabbit.kill)
        posted = [await system.post(mail(address)) for address in PEOPLE[:5]]
        await asyncio.to_thread(own_rabbit.restart)
        ids = [post["id"] for post in posted]
        await system.settled(*ids)
        account = await system.account(*ids, expected=_one_each(ids))
        assert (account.statuses, account.duplicates) == ({"delivered": 5}, 0)
        assert _all_alive(system)


def _one_each(ids: Iterable[str]) -> set[UUID]:
    people = zip(ids, PEOPLE, strict=False)
    return set().union(*(email_ids(i, [address]) for i, address in people))


async def test_nothing_is_lost_nor_restarted_where_mongodb_is_away_for_20_seconds(
    ground: Ground, own_mongo: MongoServer
) -> None:
    ground.sink.restart(Behaviour(delay=0.1))
    async with System(replace(ground, mongodb=own_mongo.uri)) as system:
        run, expected = await _in_the_middle(system)
        away = asyncio.create_task(asyncio.sleep(20))
        await asyncio.to_thread(own_mongo.stop)
        refused = await system.client.post("/v1/notifications", json=mail("late@example.org"))
        _assert_unavailable(refused)
        sent = system.accepted_mails()
        assert sent < len(PEOPLE)
        await away
        # What was sent could not be recorded: nothing more may have been begun.
        assert system.accepted_mails() <= sent + 100
        await asyncio.to_thread(own_mongo.restart)
        await system.settled(run, within=60)
        account = await system.account(run, expected=expected)
        assert account.statuses == {"delivered": len(PEOPLE)}
        assert await system.db.notifications.count_documents({}) == 1
        assert await system.db.deliveries.count_documents({}) == len(PEOPLE)
        assert _all_alive(system)
        later = await system.post(mail("later@example.org"))
        await system.settled(later["id"])


def _assert_unavailable(answer: httpx2.Response) -> None:
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "2"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "unavailable"
