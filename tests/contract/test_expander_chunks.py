"""An expansion publishes each chunk as it has stored it: the token of one is that of the other."""

from datetime import timedelta

import pytest
from tests.support.broker import Reader, publishing
from tests.support.deliveries import GRACE, documents
from tests.support.notifications import new_notification

from fogbell.broker import Topology
from fogbell.expansion.chunking import MOST
from fogbell.expansion.expander import Expander, ExpansionSettings
from fogbell.model.content import Content
from fogbell.model.notification import Audience
from fogbell.model.recipient import Recipient
from fogbell.model.status import Channel, Lane, NotificationStatus
from fogbell.store import expansions, notifications, recipients
from fogbell.store.database import Database

PEOPLE = 2 * MOST + 30
CONTENT = Content.model_validate(
    {"email": {"subject": "Hi", "text": "Hi"}, "inbox": {"title": "Hi", "body": "Hi"}}
)
AS_ALIKE, ONE_BY_ONE = (Channel.EMAIL,), (Channel.EMAIL, Channel.INBOX)


@pytest.mark.parametrize("channels", [AS_ALIKE, ONE_BY_ONE], ids=["alike", "one by one"])
@pytest.mark.parametrize("resumed", [False, True], ids=["at once", "resumed"])
async def test_a_message_is_the_chunk_that_its_deliveries_carry(
    db: Database,
    rabbit_uri: str,
    topology: Topology,
    channels: tuple[Channel, ...],
    resumed: bool,
) -> None:
    await _people(db)
    run = new_notification(
        created_at=db.clock.now(),
        content=CONTENT,
        lane=Lane.BULK,
        audience=Audience(everyone=True),
        channels=channels,
    )
    post = notifications.Accept(run, [], db.clock.now(), NotificationStatus.EXPANDING)
    await notifications.accept(db, [post], GRACE)
    async with publishing(rabbit_uri, topology) as publisher:
        expander = Expander(db, publisher, ExpansionSettings())
        if resumed:  # what is left of it by an earlier start was never published
            await expander.expand(run.id)
            await _half_undone(db, topology, rabbit_uri)
            await expansions.take(db, run.id, "gone", timedelta(0))
        await expander.expand(run.id)
    await _compare(db, rabbit_uri, topology, number=2 if resumed else 3)


async def _people(db: Database) -> None:
    people = [
        {"id": f"r{n:04d}", "addresses": {"email": f"r{n}@example.org"}} for n in range(PEOPLE)
    ]
    await recipients.put_many(db, [Recipient.model_validate(person) for person in people])


async def _half_undone(db: Database, topology: Topology, uri: str) -> None:
    """As if the expansion had ended with half of its inserts, and with no message."""
    queue = topology.queue(Channel.EMAIL, Lane.BULK)
    async with Reader(uri, topology, queue).holding(3) as reader:
        for message in reader.received:
            message.finish()
    undone = db.deliveries.find({"channel": "email"}, {"_id": True}).sort("recipient_id", 1)
    ids = [d["_id"] async for d in undone][MOST:]
    await db.deliveries.delete_many({"_id": {"$in": ids}})
    await db.notifications.update_many(
        {}, {"$unset": {"expanded_at": "", "expected": "", "expansion.cursor": ""}}
    )


async def _compare(db: Database, uri: str, topology: Topology, *, number: int) -> None:
    queue = topology.queue(Channel.EMAIL, Lane.BULK)
    async with Reader(uri, topology, queue).holding(number) as reader:
        for message in reader.received:
            stored = await documents(db, message.ids.ids)
            assert {d.get("chunk") for d in stored.values()} == {message.ids.chunk}
            if message.ids.chunk is not None:
                alike = db.deliveries.find({"chunk": message.ids.chunk}, {"_id": True})
                assert {d["_id"] async for d in alike} == set(message.ids.ids)
        sizes = sorted((len(m.ids.ids), m.ids.chunk is not None) for m in reader.received)
    assert sizes == [(30, False), *[(MOST, True)] * (number - 1)]
