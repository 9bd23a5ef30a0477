"""From a stored delivery to one device: which one it is, and what is remembered of it."""

from typing import Any, cast

from tests.support.deliveries import GRACE, LEASE, document
from tests.support.fcm import GONE_TOKEN, GOOD_TOKEN, Fcm, service_account
from tests.support.lanes import lane
from tests.support.notifications import new_notification
from tests.support.providers import served
from tests.support.routing import push_sender
from tests.support.webpush import Browser

from fogbell.expansion.plan import Contents, Planner, person_of_recipient
from fogbell.model.address import Addresses, PushAddress
from fogbell.model.content import Content, PushContent
from fogbell.model.delivery import NewDelivery
from fogbell.model.recipient import Recipient
from fogbell.model.status import Channel
from fogbell.store import claims, notifications, recipients
from fogbell.store.database import Database
from fogbell.store.notifications import Accept
from fogbell_worker.channels.push import PushSettings
from fogbell_worker.loading import Loader

PHONE = PushAddress(provider="fcm", token=GOOD_TOKEN)
OLD_PHONE = PushAddress(provider="fcm", token=GONE_TOKEN)
BROWSER = Browser().address("https://push.example.net/1")


async def stored(db: Database, *devices: PushAddress) -> None:
    await recipients.put(db, Recipient(id="ann", addresses=Addresses(push=list(devices))))


async def posted(db: Database, *devices: PushAddress) -> list[NewDelivery]:
    """A notification to Ann, planned while she had these devices."""
    now = db.clock.now()
    notification = new_notification(
        content=Content(push=PushContent(title="t")), channels=(Channel.PUSH,), created_at=now
    )
    ann = Recipient(id="ann", addresses=Addresses(push=list(devices)))
    new = await Planner(Contents(notification, None)).deliveries([person_of_recipient(ann)])
    accept = Accept(notification, new, now + GRACE, notification.status(now))
    await notifications.accept(db, [accept], GRACE)
    return new


async def test_each_delivery_is_for_one_device_and_none_for_one_that_was_removed(
    db: Database,
) -> None:
    new = await posted(db, PHONE, OLD_PHONE, BROWSER)
    await stored(db, BROWSER, PHONE)
    claimed = await claims.claim(db, [d.id for d in new], "token", LEASE)
    loaded = await Loader(db).load(claimed)
    assert {work.delivery.id: work.push for work in loaded.works} == {
        new[0].id: PHONE,
        new[2].id: BROWSER,
    }
    (unsent,) = loaded.unsent
    assert (unsent.delivery.id, unsent.verdict.reason) == (new[1].id, "no_address")


async def test_a_token_that_fcm_has_forgotten_is_asked_about_once(db: Database) -> None:
    google = Fcm()
    await stored(db, PHONE, OLD_PHONE)
    async with served(google.app) as url:
        settings = {"fcm_base_url": url, "fcm_credentials": service_account(url)}
        sender = push_sender(PushSettings.model_validate(settings))
        async with lane(db, cast("Any", sender.sender)) as at_work:
            for _ in range(2):
                new = await posted(db, PHONE, OLD_PHONE)
                await at_work.work(*(delivery.id for delivery in new))
        await sender.close()
    settled = [await document(db, delivery.id) for delivery in new]
    assert [(d["status"], d.get("reason")) for d in settled] == [
        ("delivered", None),
        ("skipped", "suppressed"),
    ]
    assert google.requests == 3
