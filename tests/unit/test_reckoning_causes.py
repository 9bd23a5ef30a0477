"""The reckoning at rest: what is given up needs its cause, and a replay what it selected."""

from typing import Any

import pytest
from tests.support.rules import LOST, Posted, Rule
from tests.unit.test_reckoning import (
    MAIL,
    RUN,
    TRIES,
    attempt,
    broken,
    copy,
    reckoning,
    record,
    refused,
)

from fogbell.model.status import Channel
from fogbell_local.sink import Entry


def test_a_replay_must_arrive_under_its_own_number() -> None:
    stored = record(replays=1, attempts=[attempt(), attempt()])
    once = Posted(RUN, frozenset({MAIL}), replays=1)
    both = [copy(), copy(f"{MAIL}-1")]
    assert broken(reckoning(stored, both, once, replays=1)) == set()
    assert broken(reckoning(stored, [copy()], once, replays=1)) == {Rule.NOT_ARRIVED}


@pytest.mark.parametrize(("status", "ledger"), [("delivered", [copy()]), ("dead", [refused(550)])])
def test_what_a_replay_has_passed_over_is_lost(status: str, ledger: list[Entry]) -> None:
    tries = [attempt("accepted" if status == "delivered" else "permanent")]
    once = Posted(RUN, frozenset({MAIL}), replays=1)
    stored = record(status=status, attempts=tries)
    assert broken(reckoning(stored, ledger, once)) == set()
    assert broken(reckoning(stored, ledger, once, replays=1)) == {Rule.NOT_REPLAYED}
    assert Rule.NOT_REPLAYED in LOST


def test_a_replay_does_not_take_what_was_skipped_or_lies_in_an_inbox() -> None:
    once = Posted(RUN, frozenset({MAIL}), replays=1)
    skipped = record(channel="webhook", status="skipped", reason="suppressed", attempts=[])
    gone = [refused(410, Channel.WEBHOOK)]
    assert broken(reckoning(skipped, gone, once, replays=1)) == set()
    item = record(channel="inbox", attempts=None)
    assert broken(reckoning(item, [], once, replays=1)) == set()


def test_a_replay_that_was_answered_and_is_not_stored_is_lost() -> None:
    answered = Posted(RUN, frozenset({MAIL}), replays=1, replayed=1)
    assert broken(reckoning(posted=answered)) == {Rule.NOT_REPLAYED}


def test_a_replayed_text_arrives_once_for_each_try_that_was_accepted() -> None:
    once = Posted(RUN, frozenset({MAIL}), replays=1, replayed=1)
    text = record(channel="sms", replays=1, attempts=[attempt(), attempt()])
    assert broken(reckoning(text, [copy(), copy()], once, replays=1)) == set()
    assert broken(reckoning(text, [copy()], once, replays=1)) == {Rule.NOT_ARRIVED}


@pytest.mark.parametrize("reason", ["opted_out", "expired", "no_address", None])
def test_nothing_is_skipped_for_what_nobody_in_a_run_does(reason: str | None) -> None:
    skipped = record(channel="webhook", status="skipped", reason=reason, attempts=[])
    gone = refused(410, Channel.WEBHOOK)
    assert broken(reckoning(skipped, [gone])) == {Rule.GIVEN_UP}


def test_only_whom_a_receiver_has_refused_for_good_is_suppressed() -> None:
    skipped = record(channel="webhook", status="skipped", reason="suppressed", attempts=[])
    assert broken(reckoning(skipped, [refused(410, Channel.WEBHOOK)])) == set()
    assert broken(reckoning(skipped, [refused(503, Channel.WEBHOOK)])) == {Rule.GIVEN_UP}
    assert broken(reckoning(skipped, [])) == {Rule.GIVEN_UP}
    arrived = [refused(410, Channel.WEBHOOK), copy(after=3)]
    assert broken(reckoning(skipped, arrived)) == {Rule.COPIES}


def test_what_nobody_has_cancelled_is_not_given_up_as_cancelled() -> None:
    stored = record(status="cancelled", reason="cancelled", attempts=[])
    assert broken(reckoning(stored, ledger=[])) == {Rule.GIVEN_UP}
    assert Rule.GIVEN_UP in LOST


def test_a_refusal_for_good_is_one_that_the_provider_remembers() -> None:
    dead = record(status="dead", reason="gone", attempts=[attempt("permanent")])
    assert broken(reckoning(dead, [refused(550)])) == set()
    assert broken(reckoning(dead, [])) == {Rule.GIVEN_UP}


@pytest.mark.parametrize(
    ("channel", "final", "passing"),
    [
        (Channel.EMAIL, 550, 451),
        (Channel.WEBHOOK, 410, 503),
        (Channel.SMS, 400, 503),
        (Channel.PUSH, 404, 429),
    ],
)
def test_a_refusal_for_now_is_no_cause_to_give_up(
    channel: Channel, final: int, passing: int
) -> None:
    dead = record(channel=channel, status="dead", reason="gone", attempts=[attempt("permanent")])
    assert broken(reckoning(dead, [refused(final, channel)])) == set()
    assert broken(reckoning(dead, [refused(passing, channel)])) == {Rule.GIVEN_UP}
    assert broken(reckoning(dead, [refused(None, channel)])) == {Rule.GIVEN_UP}


def test_what_a_replay_gives_up_was_refused_under_its_own_number() -> None:
    tries = [attempt("permanent")] * 2
    dead = record(status="dead", reason="refused", attempts=tries, replays=1)
    once = Posted(RUN, frozenset({MAIL}), replays=1)
    both = [refused(550), refused(550, delivery=f"{MAIL}-1")]
    assert broken(reckoning(dead, both, once, replays=1)) == set()
    assert broken(reckoning(dead, both[:1], once, replays=1)) == {Rule.GIVEN_UP}


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("ambiguous", {"attempts": [attempt("ambiguous")]}),
        ("attempts_exhausted", {"attempts": [attempt("transient")] * 10, "attempt_count": TRIES}),
        ("lost_leases", {"lost_alone": 3, "lost_leases": 3}),
    ],
)
def test_what_is_given_up_has_its_cause_in_its_history(reason: str, cause: dict[str, Any]) -> None:
    dead = record(status="dead", reason=reason, attempts=[])
    assert broken(reckoning(dead, ledger=[])) == {Rule.GIVEN_UP}
    assert broken(reckoning(dead | cause, ledger=[])) == set()


@pytest.mark.parametrize("count", [None, 1, TRIES - 1])
def test_what_has_tries_left_is_not_given_up(count: int | None) -> None:
    tries = [attempt("transient")] * 10
    dead = record(status="dead", reason="attempts_exhausted", attempts=tries, attempt_count=count)
    assert broken(reckoning(dead, ledger=[])) == {Rule.GIVEN_UP}
