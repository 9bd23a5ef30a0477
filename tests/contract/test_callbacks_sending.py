"""Callbacks at the worker: to whom they go is decided at each claim."""

import base64

from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook
from tests.support.callbacks import new_endpoint, posted, report, stored_endpoint
from tests.support.deliveries import LEASE, documents
from tests.support.lanes import ScriptedSender, lane
from tests.support.routing import Attempting, provided, routed
from tests.support.webhooks import Receiver

from fogbell.model.delivery import Claimed
from fogbell.model.outcome import Outcome, Reply
from fogbell.model.status import Channel
from fogbell.store import claims, endpoints
from fogbell.store.database import Database
from fogbell_worker.channels.webhook import WebhookSettings
from fogbell_worker.loading import Loader, suppression_key

GONE = Reply(Outcome.PERMANENT, code="410", reason="gone", suppress=True)


async def claimed_callbacks(db: Database, number: int = 1) -> list[Claimed]:
    """Callbacks of ``number`` deliveries that have settled, claimed."""
    await posted(db, number)
    await report(db)
    cursor = db.deliveries.find({"inline.endpoint": {"$exists": True}}, {"_id": True})
    return await claims.claim(db, [d["_id"] async for d in cursor], claims.new_token(), LEASE)


async def test_a_callback_is_what_the_reference_verifies(db: Database) -> None:
    secret = "whsec_" + base64.b64encode(b"k" * 32).decode()
    settings = {"allow_networks": ["127.0.0.0/8"], "allow_http": True}
    given = provided("webhook", WebhookSettings.model_validate(settings))
    sender = Attempting(routed(Channel.WEBHOOK, given))
    async with Receiver().listen() as receiver:
        await stored_endpoint(db, url=receiver.url, secret=SecretStr(secret))
        (claimed,) = await claimed_callbacks(db)
        (work,) = (await Loader(db).load([claimed])).works
        attempt = await sender.send(work)
        await sender.close()
    assert attempt.reply == Reply(Outcome.ACCEPTED, code="204")
    (request,) = receiver.requests
    assert claimed.inline is not None
    assert Webhook(secret).verify(request.body, request.headers) == claimed.inline["message"]
    assert request.headers["webhook-id"] == str(claimed.id)


async def test_nothing_goes_to_an_endpoint_that_was_deleted_or_disabled_since(
    db: Database,
) -> None:
    deleted, disabled, kept = [await stored_endpoint(db) for _ in range(3)]
    claimed = await claimed_callbacks(db, 2)
    await endpoints.delete(db, "shop", deleted.id)
    await endpoints.disable(db, disabled.id)
    loaded = await Loader(db).load(claimed)
    assert [work.callback.endpoint for work in loaded.works if work.callback] == [kept.id] * 2
    reasons = sorted(str(record.verdict.reason) for record in loaded.unsent)
    assert reasons == ["endpoint_deleted"] * 2 + ["endpoint_disabled"] * 2


async def test_an_endpoint_goes_by_its_state_and_not_by_suppressions(db: Database) -> None:
    await stored_endpoint(db)
    (claimed,) = await claimed_callbacks(db)
    (work,) = (await Loader(db).load([claimed])).works
    assert suppression_key(work) is None


async def test_a_receiver_that_is_gone_disables_its_endpoint_and_suppresses_nothing(
    db: Database,
) -> None:
    endpoint, other = await stored_endpoint(db), new_endpoint(db, app="other")
    await endpoints.insert(db, other)
    await posted(db, 1)
    await report(db)
    cursor = db.deliveries.find({"inline.endpoint": endpoint.id}, {"_id": True})
    ids = [d["_id"] async for d in cursor]
    sender = ScriptedSender(lambda _: GONE, Channel.WEBHOOK)
    async with lane(db, sender) as running:
        await running.work(*ids)
    stored = (await documents(db, ids))[ids[0]]
    assert (stored["status"], stored["reason"]) == ("dead", "gone")
    known = await endpoints.read_many(db, [endpoint.id, other.id])
    assert known[endpoint.id].disabled_at is not None
    assert known[other.id].disabled_at is None
    assert await db.suppressions.count_documents({}) == 0
