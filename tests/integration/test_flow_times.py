"""A notification that is posted for later."""

from datetime import UTC, datetime, timedelta

from tests.support.account import email_ids, recipient_ids
from tests.support.system import System, mail

from fogbell.model.status import Channel


def _soon(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


async def test_a_scheduled_mail_is_sent_when_its_time_comes_and_not_before(
    running: System,
) -> None:
    send_at = _soon(3)
    posted = await running.post(mail("later@example.org", send_at=send_at))
    assert (posted["status"], posted["expected"]) == ("scheduled", None)
    (shown,) = await running.settled(posted["id"])
    assert (shown["expected"], shown["totals"]["delivered"]) == (1, 1)
    expected = email_ids(posted["id"], ["later@example.org"])
    account = await running.account(posted["id"], expected=expected)
    (entry,) = account.ledger
    due = datetime.fromisoformat(send_at)
    assert due <= entry.at < due + timedelta(seconds=10)


async def test_a_scheduled_mail_goes_to_the_group_as_it_is_then(running: System) -> None:
    people = {"audience": {"groups": ["crew"]}}
    posted = await running.post(mail(send_at=_soon(6), **people))
    await running.put_recipient("mate", addresses={"email": "mate@example.org"}, groups=["crew"])
    await running.settled(posted["id"])
    expected = recipient_ids(posted["id"], ["mate"], Channel.EMAIL)
    account = await running.account(posted["id"], expected=expected)
    assert account.statuses == {"delivered": 1}
