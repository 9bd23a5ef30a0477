"""Which of somebody's devices a delivery is for, and what a device's address has to be."""

import dataclasses
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.support.providers import work_for
from tests.support.webpush import Browser

from fogbell.expansion.plan import Contents, Person, Planner
from fogbell.model.address import Addresses, PushAddress
from fogbell.model.content import Content, PushContent
from fogbell.model.delivery import Claimed, NewDelivery
from fogbell.model.notification import Audience, Notification, Origin, OriginType
from fogbell.model.status import Channel, Lane
from fogbell_worker.loading import push_address, suppression_key

BROWSER = Browser().address("https://push.example.net/1")
DEVICES = st.builds(PushAddress, provider=st.just("fcm"), token=st.text(min_size=1, max_size=20))
NOTIFICATION = Notification(
    id=UUID(int=7 << 100),
    origin=Origin(OriginType.API, "shop"),
    channels=(Channel.PUSH,),
    lane=Lane.TRANSACTIONAL,
    audience=Audience(),
    content=Content(push=PushContent(title="t")),
)


async def planned(devices: list[PushAddress]) -> list[NewDelivery]:
    person = Person("ann", Addresses(push=devices))
    return await Planner(Contents(NOTIFICATION, None)).deliveries([person])


def claimed(new: NewDelivery) -> Claimed:
    return Claimed(
        new.id, "token", new.notification_id, new.recipient_id, new.channel, new.lane,
        datetime(2026, 3, 1, tzinfo=UTC),
    )  # fmt: skip


@given(st.lists(DEVICES, min_size=1, max_size=6, unique_by=lambda d: d.token))
async def test_each_planned_delivery_finds_the_device_it_was_planned_for(
    devices: list[PushAddress],
) -> None:
    devices = [*devices, BROWSER]
    for device, new in zip(devices, await planned(devices), strict=True):
        assert push_address(claimed(new), Addresses(push=devices[::-1])) == device


async def test_a_device_that_was_removed_since_is_nobodys() -> None:
    (new,) = await planned([BROWSER])
    others = Addresses(push=[PushAddress(provider="fcm", token="another")])
    assert push_address(claimed(new), others) is None
    assert push_address(claimed(new), Addresses()) is None


def test_a_suppression_names_an_apps_token_and_a_browsers_endpoint() -> None:
    app = PushAddress(provider="fcm", token="t")
    for device, key in ((app, "push:t"), (BROWSER, "push:https://push.example.net/1")):
        work = work_for(Channel.PUSH, PushContent(title="t"), Addresses(push=[device]), push=device)
        assert suppression_key(work) == key
    assert suppression_key(dataclasses.replace(work, push=None)) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "https://push.example.net/1"},
        {"token": BROWSER.token},
        {"url": "https://push.example.net/1", "token": "t"},
        {"url": "https://push.example.net/1", "token": f"{BROWSER.token}="},
        {"url": "https://push.example.net/1", "token": str(BROWSER.token).replace(".", "")},
        {"url": "https://push.example.net/1", "token": "A" * 87 + "." + "A" * 22},
    ],
)
def test_a_browsers_subscription_has_its_endpoint_and_both_keys(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        PushAddress.model_validate({"provider": "webpush", **wrong})
