"""The demo's verdict: each way in which it must not pass."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from uuid import UUID

import pytest

from fogbell.model.status import Channel, DeliveryStatus
from fogbell_local.demo.verdict import Record, Verdict, compare
from fogbell_local.sink import Entry, Outcome

NOW = datetime(2026, 1, 1, tzinfo=UTC)
_numbers = count(1)


def delivered(channel: Channel = Channel.EMAIL) -> Record:
    id_ = UUID(int=next(_numbers))
    return Record(id_, channel, DeliveryStatus.DELIVERED, in_inbox=channel is Channel.INBOX)


def accepted(*records: Record) -> Iterator[Entry]:
    return (Entry(NOW, r.channel, str(r.id), Outcome.ACCEPTED) for r in records)


def verdict(records: Iterable[Record], *ledger: Entry, missing: int = 0) -> Verdict:
    records = list(records)
    expected = {r.id for r in records} | {UUID(int=next(_numbers)) for _ in range(missing)}
    return compare(expected, records, ledger)


def test_what_both_books_agree_on_passes() -> None:
    mail, hook, item = delivered(), delivered(Channel.WEBHOOK), delivered(Channel.INBOX)
    result = verdict([mail, hook, item], *accepted(mail, hook))
    assert result == Verdict(3, 3, 0, 0, 0, 0)
    assert result.passed


def test_the_last_line_is_exactly_what_scripts_look_for() -> None:
    line = Verdict(6, 5, 4, 3, 2, 1).line()
    assert line == "fogbell demo: expected=6 delivered=5 dead=4 outstanding=3 lost=2 duplicates=1"


def test_an_expected_delivery_without_a_record_is_lost() -> None:
    mail = delivered()
    result = verdict([mail], *accepted(mail), missing=1)
    assert (result.expected, result.delivered, result.lost, result.passed) == (2, 1, 1, False)
    assert "has no record" in result.faults[0]


@pytest.mark.parametrize("channel", [Channel.EMAIL, Channel.WEBHOOK])
def test_what_is_recorded_as_delivered_and_never_arrived_is_lost(channel: Channel) -> None:
    result = verdict([delivered(channel)])
    assert (result.delivered, result.lost, result.passed) == (0, 1, False)
    assert "never arrived" in result.faults[0]


def test_what_was_only_refused_did_not_arrive() -> None:
    mail = delivered()
    result = verdict([mail], Entry(NOW, mail.channel, str(mail.id), Outcome.REFUSED))
    assert (result.lost, result.passed) == (1, False)


def test_an_inbox_delivery_without_its_item_is_lost() -> None:
    result = verdict([replace(delivered(Channel.INBOX), in_inbox=False)])
    assert (result.lost, result.passed) == (1, False)


def test_what_arrived_without_any_record_is_lost() -> None:
    mail, stray = delivered(), delivered()
    result = compare({mail.id}, [mail], accepted(mail, stray))
    assert (result.delivered, result.lost, result.passed) == (1, 1, False)
    assert str(stray.id) in result.faults[0]


def test_a_record_that_nobody_expected_fails() -> None:
    mail, other = delivered(), delivered()
    result = compare({mail.id}, [mail, other], accepted(mail, other))
    assert (result.expected, result.delivered, result.passed) == (1, 1, False)
    assert "was not expected" in result.faults[0]


@pytest.mark.parametrize("status", ["pending", "sending", "failed"])
def test_what_is_not_settled_is_outstanding_and_fails(status: str) -> None:
    mail = replace(delivered(), status=DeliveryStatus(status))
    result = verdict([mail])
    assert (result.outstanding, result.lost, result.passed) == (1, 0, False)


def test_what_was_given_up_on_is_dead_and_passes() -> None:
    result = verdict([replace(delivered(), status=DeliveryStatus.DEAD)])
    assert (result.dead, result.lost, result.passed) == (1, 0, True)


@pytest.mark.parametrize("status", ["skipped", "cancelled"])
def test_what_was_settled_without_an_attempt_is_lost(status: str) -> None:
    result = verdict([replace(delivered(), status=DeliveryStatus(status))])
    assert (result.lost, result.passed) == (1, False)


def test_a_duplicate_of_a_delivery_that_lost_a_lease_is_counted_and_passes() -> None:
    mail = replace(delivered(), lost_leases=1)
    result = verdict([mail], *accepted(mail, mail, mail))
    assert (result.delivered, result.duplicates, result.passed) == (1, 2, True)


def test_a_duplicate_of_a_delivery_that_lost_no_lease_fails() -> None:
    mail, innocent = delivered(), replace(delivered(), lost_leases=1)
    result = verdict([mail, innocent], *accepted(mail, mail, innocent))
    assert (result.duplicates, result.lost, result.passed) == (1, 0, False)
    assert str(mail.id) in result.faults[0]


def test_a_text_must_have_arrived_at_the_gateway_of_its_record() -> None:
    text = replace(delivered(Channel.SMS), provider="gateway-b")
    (arrived,) = accepted(text)
    assert verdict([text], replace(arrived, provider="gateway-b")).passed
    result = verdict([text], replace(arrived, provider="gateway-a"))
    assert not result.passed
    assert result.faults == (f"delivery {text.id} arrived at gateway-a, not at gateway-b",)


def test_without_faults_the_numbers_add_up() -> None:
    records = [delivered(), replace(delivered(), status=DeliveryStatus.DEAD)]
    records.append(replace(delivered(), status=DeliveryStatus.FAILED))
    result = verdict(records, *accepted(records[0]), missing=2)
    parts = result.delivered + result.dead + result.outstanding + result.lost
    assert (parts, result.expected) == (5, 5)
