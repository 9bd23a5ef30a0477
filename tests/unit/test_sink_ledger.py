"""What the sink writes down, and whom it refuses."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbell_local.sink import ledger
from fogbell_local.sink.ledger import Entry, Outcome
from fogbell_local.sink.refusal import Refusals, in_fraction

MAIL = Entry(ledger.now(), "d-1", Outcome.REFUSED, "<d-1@x.test>", ("a@x.test", "b@x.test"), 12)
HOOK = Entry(ledger.now(), "d-2", Outcome.ACCEPTED, path="/in")


def test_an_entry_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    log = tmp_path / "ledger"
    log.write_bytes(MAIL.to_line() + HOOK.to_line())
    assert ledger.read(log) == [MAIL, HOOK]


def test_a_line_cut_off_by_a_kill_is_left_out(tmp_path: Path) -> None:
    log = tmp_path / "ledger"
    log.write_bytes(MAIL.to_line() + HOOK.to_line()[:-1])
    assert ledger.read(log) == [MAIL]


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
