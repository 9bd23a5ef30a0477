"""Notifications: their audience, their status, what is outstanding of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.notifications import new_notification

from fogbell.model.notification import Audience, InlineAddress, NamedRecipient, Progress
from fogbell.model.status import DeliveryStatus, NotificationStatus

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def test_an_audience_knows_what_it_names_and_what_it_asks_for() -> None:
    named = Audience((NamedRecipient("ann"),), (InlineAddress("~1", {"email": "a@b"}),))
    assert (named.named, named.queries_directory) == (2, False)
    for asked in (Audience(groups=("a",)), Audience(match={"a": 1}), Audience(everyone=True)):
        assert (asked.named, asked.queries_directory) == (0, True)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, "expanding"),
        ({"send_at": NOW + timedelta(seconds=1)}, "scheduled"),
        ({"send_at": NOW}, "expanding"),
        ({"expanded_at": NOW}, "sending"),
        ({"expanded_at": NOW, "settled_at": NOW}, "settled"),
        ({"expanded_at": NOW, "settled_at": NOW, "cancelled_at": NOW}, "cancelled"),
        ({"send_at": NOW + timedelta(seconds=1), "cancelled_at": NOW}, "cancelled"),
    ],
)
def test_a_notifications_status_follows_from_its_times(fields: dict[str, Any], status: str) -> None:
    assert new_notification(**fields).status(NOW) is NotificationStatus(status)


def test_outstanding_is_what_is_not_settled() -> None:
    totals = {status: 10**place for place, status in enumerate(DeliveryStatus)}
    outstanding = sum(number for status, number in totals.items() if not status.settled)
    assert Progress(totals, {}).outstanding == outstanding
    assert Progress({}, {}).outstanding == 0
