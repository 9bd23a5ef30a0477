"""What comes out of the queues may be repeated, or be nothing of ours: the records decide."""

import asyncio
from collections.abc import AsyncIterator

import aio_pika
import pytest
from tests.support.account import email_ids
from tests.support.system import System, mail
from tests.support.waiting import eventually

from fogbell.broker import Publisher
from fogbell.model.status import Channel, Lane
from fogbell_local.processes import Component

UNDECODABLE = {
    "nothing": b"",
    "half an object": b'{"v":1,"ids":[',
    "bad UTF-8": b'{"v":1,"ids":["\xff"]}',
    "another version": b'{"v":2,"ids":["018f3b1e-0000-7000-8000-000000000000"]}',
    "no ids": b'{"v":1,"ids":[]}',
    "no UUIDs": b'{"v":1,"ids":[1, null, {}]}',
    "very deep": b"[" * 100_000,
    "far too many": b'{"v":1,"ids":[' + b'"018f3b1e-0000-7000-8000-000000000000",' * 5000 + b'""]}',
}
SERVED = ["email.bulk", "email.transactional", "webhook.bulk", "webhook.transactional", "expansion"]


@pytest.fixture
async def publisher(running: System) -> AsyncIterator[Publisher]:
    ground = running.ground
    publisher = Publisher(ground.rabbitmq, ground.topology, name="test", count=lambda *_: None)
    publisher.start()
    await publisher.wait_connected()
    yield publisher
    await publisher.close()


async def test_ids_that_are_published_again_and_again_make_one_mail_each(
    running: System, publisher: Publisher
) -> None:
    people = [f"again-{n}@example.org" for n in range(60)]
    posted = await running.post(mail(*people))
    ids = sorted(email_ids(posted["id"], people))
    for _ in range(5):
        await publisher.publish(Channel.EMAIL, Lane.TRANSACTIONAL, ids)
        await publisher.publish(Channel.EMAIL, Lane.BULK, ids)
        await publisher.publish(Channel.EMAIL, Lane.TRANSACTIONAL, ids, alone=True)
    await running.settled(posted["id"])
    await _idle(running, publisher)
    account = await running.account(posted["id"], expected=ids)
    assert (account.statuses, account.duplicates) == ({"delivered": 60}, 0)
    assert {record["attempt_count"] for record in account.records.values()} == {1}


async def test_two_workers_that_take_the_same_delivery_send_one_mail(
    running: System, publisher: Publisher
) -> None:
    posts = [await running.post(mail(f"both-{n}@example.org")) for n in range(10)]
    ids = {post["id"]: email_ids(post["id"], [f"both-{n}@example.org"]) for n, post in
           enumerate(posts)}  # fmt: skip
    everything = sorted(set().union(*ids.values()))
    await asyncio.gather(
        *(publisher.publish(Channel.EMAIL, Lane.TRANSACTIONAL, [i]) for i in everything * 20)
    )
    await running.settled(*ids)
    await _idle(running, publisher)
    account = await running.account(*ids, expected=everything)
    assert (account.statuses, account.duplicates) == ({"delivered": 10}, 0)
    assert [await running.sample(w, "fogbell_claim_lost_total") for w in _workers(running)] == [
        0, 0,
    ]  # fmt: skip


async def test_what_no_worker_can_read_goes_to_the_dead_letters_and_work_goes_on(
    running: System,
) -> None:
    for queue in SERVED:
        await _publish_raw(running, queue, list(UNDECODABLE.values()))
    strange = len(UNDECODABLE) * len(SERVED)
    await eventually(lambda: _dead_letters(running, strange))

    async def counted() -> bool:
        name = "fogbell_messages_undecodable_total"
        samples = [await running.sample(worker, name) for worker in _workers(running)]
        assert sum(samples) == strange
        return True

    await eventually(counted)
    posted = await running.post(mail("after-all@example.org"))
    await running.settled(posted["id"])
    expected = email_ids(posted["id"], ["after-all@example.org"])
    await running.account(posted["id"], expected=expected)


def _workers(system: System) -> list[Component]:
    return [component for component in system.started if component.name == "worker"]


async def _idle(system: System, publisher: Publisher) -> None:
    """Wait until every message is taken; a claim too many has been tried by then."""
    topology = system.ground.topology

    async def empty() -> bool:
        for lane in Lane:
            assert await publisher.depth(topology.queue(Channel.EMAIL, lane)) == 0
        return True

    await eventually(empty)


async def _publish_raw(system: System, queue: str, bodies: list[bytes]) -> None:
    connection = await aio_pika.connect(system.ground.rabbitmq)
    async with connection, connection.channel() as channel:
        for body in bodies:
            await channel.default_exchange.publish(
                aio_pika.Message(body), f"{system.ground.prefix}{queue}"
            )


async def _dead_letters(system: System, number: int) -> bool:
    connection = await aio_pika.connect(system.ground.rabbitmq)
    async with connection, connection.channel() as channel:
        queue = await channel.get_queue(system.ground.topology.dead, ensure=False)
        declared = await queue.channel.get_underlay_channel()
        answer = await declared.queue_declare(queue.name, passive=True)
    assert answer.message_count == number
    return True
