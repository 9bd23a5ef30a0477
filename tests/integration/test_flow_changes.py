"""What changes between the post and the send is respected: recipients, addresses, the end."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.account import Account, recipient_ids
from tests.support.system import Ground, System, mail
from tests.support.waiting import eventually

from fogbell.model.status import Channel

LATE = ("ann", "bob", "eve")


@pytest.fixture(scope="module")
async def belated(module_ground: Ground) -> AsyncIterator[dict[str, Account]]:
    """Posts of a time without workers. Before one came, Ann was deleted, Bob's address was
    corrected, and some posts expired.
    """
    async with System(module_ground, workers=0, retry=False) as system:
        for name in LATE:
            await system.put_recipient(name, addresses={"email": f"{name}@wrong.example"})
        end = _soon(5)
        posts = {
            "three": await system.post(_to(*LATE)),
            "expired": await system.post(_to("eve", expires_at=end)),
            "scheduled": await system.post(
                _to("eve", send_at=_soon(1), expires_at=end, channels=["email", "inbox"])
            ),
        }
        assert (await system.client.delete("/v1/recipients/ann")).status_code == 204
        await system.put_recipient("bob", addresses={"email": "bob@right.example"})
        await _passed(end)
        await system.add_worker()
        await system.start_retry()
        ids = {name: post["id"] for name, post in posts.items()}
        await system.settled(*ids.values())
        yield {
            "three": await system.account(
                ids["three"], expected=recipient_ids(ids["three"], LATE, Channel.EMAIL)
            ),
            "expired": await system.account(
                ids["expired"], expected=recipient_ids(ids["expired"], ["eve"], Channel.EMAIL)
            ),
            "scheduled": await system.account(
                ids["scheduled"],
                expected=recipient_ids(ids["scheduled"], ["eve"], Channel.EMAIL, Channel.INBOX),
            ),
        }


def _to(*recipients: str, **fields: Any) -> dict[str, Any]:
    content = {"email": {"subject": "Fog", "text": "Bell."}, "inbox": {"title": "Fog"}}
    return mail(audience={"recipients": list(recipients)}, **({"content": content} | fields))


def _endings(account: Account) -> dict[str, tuple[str, str | None]]:
    return {r["recipient_id"]: (r["status"], r.get("reason")) for r in account.records.values()}


async def test_who_was_deleted_meanwhile_is_skipped(belated: dict[str, Account]) -> None:
    assert _endings(belated["three"])["ann"] == ("skipped", "recipient_deleted")


async def test_an_address_that_was_corrected_meanwhile_is_used(belated: dict[str, Account]) -> None:
    assert _endings(belated["three"])["bob"] == ("delivered", None)
    assert sorted(e.to for e in belated["three"].ledger) == [
        ("bob@right.example",), ("eve@wrong.example",),
    ]  # fmt: skip


async def test_what_expired_before_it_could_be_sent_is_skipped(belated: dict[str, Account]) -> None:
    assert _endings(belated["expired"]) == {"eve": ("skipped", "expired")}
    assert belated["expired"].ledger == []


async def test_what_expired_before_its_expansion_is_skipped_in_every_channel(
    belated: dict[str, Account],
) -> None:
    endings = {r["channel"]: (r["status"], r.get("reason"))
               for r in belated["scheduled"].records.values()}  # fmt: skip
    assert endings == {"email": ("skipped", "expired"), "inbox": ("skipped", "expired")}


def _soon(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


async def _passed(moment: str) -> None:
    await eventually(lambda: datetime.now(UTC) > datetime.fromisoformat(moment))
