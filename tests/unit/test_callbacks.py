"""What a sender is told, and that the documented receiver takes it."""

import functools
import json
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from tests.support.notifications import SHOP, new_notification

from fogbell.callbacks import callback, delivery_settled, notification_settled
from fogbell.identity import delivery_range
from fogbell.model.delivery import DeliveryView
from fogbell.model.endpoint import Endpoint, EventType
from fogbell.model.notification import Origin, OriginType
from fogbell.model.status import Channel, DeliveryStatus, Lane, NotificationStatus
from fogbell.rendering import RenderedWebhook
from fogbell.store.progress import summed
from fogbell_worker.channels.webhook.payload import webhook_body
from fogbell_worker.channels.webhook.signature import webhook_headers

NOW = datetime(2026, 5, 1, 12, 0, 1, 250_000, tzinfo=UTC)
SECRET = "whsec_" + "c2VjcmV0" * 4
SECOND = timedelta(seconds=1)
ENDPOINT = Endpoint(
    "0193", "shop", "https://shop.example/hook", SecretStr(SECRET), frozenset(EventType), NOW
)


def settled_delivery(delivery: UUID | None = None, **fields: Any) -> DeliveryView:
    made: dict[str, Any] = {
        "id": delivery or uuid4(),
        "notification_id": uuid4(),
        "recipient_id": "ann",
        "channel": Channel.EMAIL,
        "lane": Lane.TRANSACTIONAL,
        "status": DeliveryStatus.DEAD,
        "created_at": NOW - SECOND,
        "settled_at": NOW,
        "reason": "refused",
        "attempt_count": 2,
    }
    return DeliveryView(**(made | fields))


def test_a_delivery_is_told_with_its_numbers_and_without_its_address() -> None:
    inline = {"addresses": {"email": "ann@example.org"}, "locale": None, "data": {"pin": "1234"}}
    attempts = [{"number": 1, "detail": "no such user ann@example.org"}]
    settled = settled_delivery(recipient_id="~1", inline=inline, attempts=attempts)
    event = delivery_settled(settled, SHOP, "A-1")
    assert event.message["type"] == "delivery.settled"
    assert event.message["timestamp"] == "2026-05-01T12:00:01.250Z"
    data = event.message["data"]
    assert (data["id"], data["status"], data["reason"]) == (str(settled.id), "dead", "refused")
    assert (data["attempt_count"], data["reference"], data["mode"]) == (2, "A-1", "live")
    assert data["recipient_id"] is None
    assert not any(word in json.dumps(event.message) for word in ("ann@", "1234"))


def test_a_notification_is_told_with_its_final_totals() -> None:
    origin = Origin(OriginType.API, "shop", simulate=True)
    post = new_notification(
        origin=origin, created_at=NOW - SECOND, expanded_at=NOW, settled_at=NOW, expected=3
    )
    totals = summed({Channel.EMAIL: {DeliveryStatus.DELIVERED: 2, DeliveryStatus.DEAD: 1}})
    data = notification_settled(post, totals, 4).message["data"]
    assert (data["status"], data["expected"], data["replays"]) == ("settled", 3, 4)
    assert data["totals"]["delivered"] == 2
    assert data["by_channel"] == {"email": {"delivered": 2, "dead": 1}}
    assert data["mode"] == "test"


@given(st.lists(st.tuples(st.uuids(), st.integers(0, 3)), unique=True, max_size=30))
def test_each_event_of_a_callback_has_a_delivery_of_its_own(known: list[tuple[UUID, int]]) -> None:
    events = [delivery_settled(settled_delivery(i, replays=n), SHOP, None) for i, n in known]
    made = callback(ENDPOINT, events, NOW, SECOND)
    post = made.notification
    assert (post.origin.type, post.lane, post.reports) == (
        OriginType.CALLBACK,
        Lane.BULK,
        frozenset(),
    )
    assert post.expected == len({delivery.id for delivery in made.deliveries}) == len(known)
    first, last = delivery_range(post.id)
    assert all(first <= delivery.id <= last for delivery in made.deliveries)
    assert not any(delivery.report for delivery in made.deliveries)
    assert made.answered_status is NotificationStatus.SENDING


def test_an_endpoints_secret_and_address_are_in_no_delivery() -> None:
    made = callback(ENDPOINT, [delivery_settled(settled_delivery(), SHOP, None)], NOW, SECOND)
    assert not any(word in repr(made) for word in (SECRET, ENDPOINT.url))
    assert SECRET not in repr(ENDPOINT)


# The receiver of docs/callbacks.md


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The documented program, at a free port; its URL."""
    text = (Path(__file__).parents[2] / "docs" / "callbacks.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {"__name__": "receiver"}
    exec(example, names)
    monkeypatch.setenv("SECRET", SECRET)
    monkeypatch.setattr(names["Receiver"], "log_message", lambda *_: None)
    with ThreadingHTTPServer(("127.0.0.1", 0), names["Receiver"]) as server:
        thread = threading.Thread(target=functools.partial(server.serve_forever, 0.01))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/fogbell"
        server.shutdown()
        thread.join()


def signed(body: bytes, *, age: float = 0, secret: str = SECRET) -> dict[str, str]:
    return webhook_headers([secret], "0193", int(datetime.now(UTC).timestamp() - age), body)


def test_the_documented_receiver_takes_what_is_sent_once_and_nothing_else(
    receiver: str, capsys: pytest.CaptureFixture[str]
) -> None:
    message = delivery_settled(settled_delivery(), SHOP, None).message
    body = webhook_body(RenderedWebhook(message["type"], message["data"], NOW), NOW - SECOND)
    assert json.loads(body) == message
    with httpx2.Client(trust_env=False) as client:
        for headers, status in (
            (signed(body), 204),
            (signed(body), 204),
            (signed(body, age=301), 401),
            (signed(body, secret="whsec_bm9uZQ=="), 401),
            ({}, 401),
        ):
            assert client.post(receiver, content=body, headers=headers).status_code == status
    data = message["data"]
    assert capsys.readouterr().out == f"delivery.settled {data['id']} dead\n"
