"""What the sink writes down, and whom it refuses."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbell.model.status import Channel
from fogbell_local.sink import ledger
from fogbell_local.sink.ledger import Entry, Outcome
from fogbell_local.sink.refusal import Outage, Refusals, in_fraction

NOW = ledger.now()
MAIL = Entry(
    NOW, Channel.EMAIL, "d-1", Outcome.REFUSED, "<d-1@x.test>", ("a@x.test", "b@x.test"), 12
)
HOOK = Entry(NOW, Channel.WEBHOOK, "d-2", Outcome.ACCEPTED, path="/in")
TEXT = Entry(NOW, Channel.SMS, "", Outcome.REFUSED, to=("+1",), provider="a", text="Ring")
PUSH = Entry(NOW, Channel.PUSH, "d-3", Outcome.ACCEPTED, to=("t",), provider="fcm", text="Ring")


def test_an_entry_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    log = tmp_path / "ledger"
    entries = [MAIL, HOOK, TEXT, PUSH, replace(MAIL, code=451), replace(HOOK, code=200)]
    log.write_bytes(b"".join(entry.to_line() for entry in entries))
    assert ledger.read(log) == entries


def test_a_line_cut_off_by_a_kill_is_left_out(tmp_path: Path) -> None:
    log = tmp_path / "ledger"
    log.write_bytes(MAIL.to_line() + HOOK.to_line()[:-1])
    assert ledger.read(log) == [MAIL]


@pytest.mark.parametrize("entry", [MAIL, HOOK], ids=["mail", "webhook"])
def test_a_line_of_an_older_ledger_is_known_by_its_fields(entry: Entry) -> None:
    fields = json.loads(entry.to_line())
    del fields["channel"]
    assert Entry.from_line(json.dumps(fields).encode()) == entry


def test_a_line_from_before_codes_were_kept_has_none() -> None:
    assert b"code" not in MAIL.to_line()
    assert Entry.from_line(MAIL.to_line()).code is None


async def test_a_writer_goes_on_behind_the_last_whole_line(tmp_path: Path) -> None:
    log = tmp_path / "ledger"
    log.write_bytes(MAIL.to_line() + HOOK.to_line()[:-1])
    writer = ledger.Writer(log)
    written = asyncio.Event()
    writer.append(HOOK, written.set)
    await written.wait()
    writer.close()
    assert ledger.read(log) == [MAIL, HOOK]


@given(st.sets(st.uuids().map(str), min_size=1))
def test_every_mail_is_accepted_by_its_second_try(deliveries: set[str]) -> None:
    refusals = Refusals(fraction=0.5)
    first = {delivery: refusals.mail(delivery) for delivery in deliveries}
    refused = {delivery for delivery, outcome in first.items() if outcome is Outcome.REFUSED}
    assert refused == {delivery for delivery in deliveries if in_fraction(delivery, 0.5)}
    assert all(refusals.mail(delivery) is Outcome.ACCEPTED for delivery in deliveries)


@pytest.mark.parametrize("fraction", [0.0, 0.33, 1.0])
def test_the_fraction_of_refused_deliveries_is_the_one_asked_for(fraction: float) -> None:
    refused = sum(in_fraction(f"delivery-{number}", fraction) for number in range(10_000))
    assert refused / 10_000 == pytest.approx(fraction, abs=0.02)


def test_a_restarted_sink_remembers_whom_it_refused() -> None:
    refusals = Refusals.resume(1.0, [MAIL, HOOK])
    assert refusals.mail(MAIL.delivery) is Outcome.ACCEPTED
    assert refusals.mail(HOOK.delivery) is Outcome.REFUSED


@given(st.integers(0, 8), st.integers(0, 8), st.integers(0, 8))
def test_an_outage_lasts_as_many_messages_as_it_is_told_also_over_a_restart(
    after: int, lasts: int, restart_at: int
) -> None:
    outage = Outage("a", after, lasts)
    refusals, entries = Refusals(outage=outage), list[Entry]()
    for number in range(20):
        if number == restart_at:
            refusals = Refusals.resume(0.0, entries, outage)
        outcome = refusals.by_provider("a", reachable=True)
        entries.append(replace(TEXT, outcome=outcome))
    out = range(after, after + lasts)
    assert [n for n, e in enumerate(entries) if e.outcome is Outcome.REFUSED] == [*out]


def test_an_outage_is_one_providers() -> None:
    refusals = Refusals(outage=Outage("a", 0, 1))
    assert refusals.by_provider("b", reachable=True) is Outcome.ACCEPTED
    assert refusals.by_provider("a", reachable=True) is Outcome.REFUSED


def test_an_outage_is_read_back_as_it_was_written() -> None:
    outage = Outage("gateway-a", 20, 12)
    assert Outage.parse(str(outage)) == outage
