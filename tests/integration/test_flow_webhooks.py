"""Webhooks: a receiver's wish for a pause is kept, and one that is gone is left alone."""

from datetime import datetime, timedelta
from typing import Any

from tests.support.account import recipient_ids
from tests.support.system import System

from fogbell.model.status import Channel


def _order(*recipients: str) -> dict[str, Any]:
    return {
        "audience": {"recipients": list(recipients)},
        "channels": ["webhook"],
        "content": {"webhook": {"type": "order.paid", "data": {"order": "A-1"}}},
    }


async def _put(system: System, name: str, path: str) -> None:
    url = f"{system.ground.sink.webhook_url}{path}"
    await system.put_recipient(name, addresses={"webhook": {"url": url}})


async def test_a_receiver_that_asks_for_a_pause_gets_it(running: System) -> None:
    await _put(running, "busy", "/unavailable/busy")
    posted = await running.post(_order("busy"))
    await running.settled(posted["id"])
    expected = recipient_ids(posted["id"], ["busy"], Channel.WEBHOOK)
    account = await running.account(posted["id"], expected=expected)
    assert (account.statuses, account.duplicates) == ({"delivered": 1}, 0)
    refused, accepted = account.ledger
    # The sink's Retry-After is 2 s; our own backoff here would be 1 s at most.
    assert accepted.at - refused.at >= timedelta(seconds=2)
    (shown,) = await running.deliveries(posted["id"])
    first, second = shown["attempts"]
    assert (first["outcome"], first["code"], second["code"]) == ("transient", "503", "200")
    assert _between(first["finished_at"], second["started_at"]) >= timedelta(seconds=2)


async def test_a_receiver_that_is_gone_is_never_called_again(running: System) -> None:
    await _put(running, "left", "/gone/left")
    posted = await running.post(_order("left"))
    (shown,) = await running.settled(posted["id"])
    assert shown["totals"]["dead"] == 1
    (delivery,) = await running.deliveries(posted["id"])
    assert (delivery["status"], delivery["reason"]) == ("dead", "gone")
    later = await running.post(_order("left"))
    await running.settled(later["id"])
    (skipped,) = await running.deliveries(later["id"])
    assert (skipped["status"], skipped["reason"]) == ("skipped", "suppressed")
    assert skipped["attempts"] == []
    expected = recipient_ids(later["id"], ["left"], Channel.WEBHOOK)
    account = await running.account(later["id"], expected=expected)
    assert account.ledger == []


def _between(earlier: str, later: str) -> timedelta:
    return datetime.fromisoformat(later) - datetime.fromisoformat(earlier)
