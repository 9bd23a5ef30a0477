"""The reckoning at rest: each way in which it must not pass, and what it must let pass."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.support.causes import EARLY
from tests.support.reckoning import Reckoning
from tests.support.rules import LOST, Posted, Rule

from fogbell.model.status import Channel
from fogbell_local.sink import Entry, Outcome

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN, MAIL = UUID(int=1), UUID(int=2)
CLAIM, TRIES = timedelta(seconds=8), 20


def attempt(outcome: str = "accepted") -> dict[str, str]:
    return {"outcome": outcome}


def record(**changes: Any) -> dict[str, Any]:
    """A mail that was delivered at the first try; None takes a field away."""
    whole = {
        "_id": MAIL,
        "notification_id": RUN,
        "channel": "email",
        "status": "delivered",
        "settled_at": NOW,
        "attempts": [attempt()],
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def copy(delivery: str = str(MAIL), after: float = 0, outcome: Outcome = Outcome.ACCEPTED) -> Entry:
    return Entry(NOW + timedelta(seconds=after), Channel.EMAIL, delivery, outcome)


def refused(code: int | None, channel: Channel = Channel.EMAIL, delivery: str = str(MAIL)) -> Entry:
    return Entry(NOW, channel, delivery, Outcome.REFUSED, code=code)


def notification(record: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    frozen = {record["channel"]: {record["status"]: 1}}
    return {"_id": RUN, "settled_at": NOW, "expected": 1, "frozen": frozen} | changes


def reckoning(
    stored: dict[str, Any] | None = None,
    ledger: list[Entry] | None = None,
    posted: Posted | None = None,
    **told: Any,
) -> Reckoning:
    """One notification with one delivery, as `record`, that arrived once."""
    own = record() if stored is None else stored
    known = posted or Posted(RUN, frozenset({MAIL}))
    return Reckoning(
        attempted=frozenset({RUN}),
        posted={RUN: known},
        notifications={RUN: notification(own, **told)},
        records={MAIL: own},
        ledger=[copy()] if ledger is None else ledger,
        longest_claim=CLAIM,
        tries=TRIES,
    )


def broken(found: Reckoning) -> set[Rule]:
    return {violation.rule for violation in found.violations()}


def test_what_all_three_agree_on_breaks_no_rule() -> None:
    assert broken(reckoning()) == set()


def test_a_post_that_was_never_accepted_is_found() -> None:
    found = replace(reckoning(), attempted=frozenset({RUN, UUID(int=9)}))
    assert broken(found) == {Rule.NOT_ACCEPTED}


def test_an_accepted_notification_without_a_record_is_lost() -> None:
    found = replace(reckoning(), notifications={}, records={}, ledger=[])
    assert broken(found) == {Rule.MISSING}
    assert Rule.MISSING in LOST


def test_an_accepted_delivery_without_a_record_is_lost() -> None:
    two = Posted(RUN, frozenset({MAIL, UUID(int=3)}))
    assert broken(reckoning(posted=two)) == {Rule.MISSING}


def test_what_was_cancelled_may_have_been_stopped_before_all_were_written() -> None:
    two = Posted(RUN, frozenset({MAIL, UUID(int=3)}), cancelled=True, expanded=True)
    assert broken(reckoning(posted=two)) == set()
    at_once = replace(two, expanded=False)
    assert broken(reckoning(posted=at_once)) == {Rule.MISSING}


@pytest.mark.parametrize("status", ["pending", "sending", "failed"])
def test_a_delivery_that_is_not_settled_is_lost(status: str) -> None:
    stored = record(status=status, settled_at=None, sweep_at=NOW, attempts=[])
    assert Rule.UNSETTLED in broken(reckoning(stored, ledger=[]))
    assert Rule.UNSETTLED in LOST


def test_a_notification_that_is_not_settled_is_lost() -> None:
    assert broken(reckoning(settled_at=None)) == {Rule.UNSETTLED}


def test_what_is_settled_and_still_to_be_looked_at_is_inconsistent() -> None:
    assert broken(reckoning(record(sweep_at=NOW))) == {Rule.INCONSISTENT}


def test_two_accepted_attempts_of_one_budget_are_inconsistent() -> None:
    stored = record(attempts=[attempt(), attempt()])
    assert Rule.INCONSISTENT in broken(reckoning(stored))


def test_what_is_recorded_as_delivered_and_never_arrived_is_lost() -> None:
    assert broken(reckoning(ledger=[])) == {Rule.NOT_ARRIVED}
    assert broken(reckoning(ledger=[copy(outcome=Outcome.REFUSED)])) == {Rule.NOT_ARRIVED}
    assert Rule.NOT_ARRIVED in LOST


def test_an_item_of_an_inbox_arrives_nowhere_else() -> None:
    assert broken(reckoning(record(channel="inbox", attempts=None), ledger=[])) == set()


def test_a_second_copy_needs_a_reason() -> None:
    assert broken(reckoning(ledger=[copy(), copy()])) == {Rule.COPIES}


@pytest.mark.parametrize(
    "reason", [{"lost_leases": 1}, {"attempts": [attempt("ambiguous"), attempt()]}]
)
def test_a_lost_lease_or_an_ambiguous_answer_explains_one_copy(reason: dict[str, Any]) -> None:
    assert broken(reckoning(record(**reason), ledger=[copy(), copy()])) == set()
    assert broken(reckoning(record(**reason), ledger=[copy()] * 3)) == {Rule.COPIES}


def test_what_was_cancelled_must_not_arrive() -> None:
    cancelled = Posted(RUN, frozenset({MAIL}), cancelled=True)
    stored = record(status="cancelled", reason="cancelled", attempts=[])
    assert broken(reckoning(stored, posted=cancelled)) == {Rule.COPIES}
    assert broken(reckoning(stored | {"lost_leases": 1}, posted=cancelled)) == set()
    assert broken(reckoning(stored, [], cancelled)) == set()


def test_nothing_is_sent_from_a_claim_made_after_the_cancellation() -> None:
    cancelled = Posted(RUN, frozenset({MAIL}), cancelled=True)
    in_time, late = [copy(after=8)], [copy(after=10)]
    assert broken(reckoning(None, in_time, cancelled, cancelled_at=NOW)) == set()
    assert broken(reckoning(None, late, cancelled, cancelled_at=NOW)) == {Rule.AFTER_CANCELLATION}


def test_nothing_is_sent_before_its_time() -> None:
    scheduled = Posted(RUN, frozenset({MAIL}), not_before=NOW + timedelta(seconds=1))
    assert broken(reckoning(posted=scheduled)) == {Rule.EARLY}
    about = Posted(RUN, frozenset({MAIL}), not_before=NOW + EARLY / 2)
    assert broken(reckoning(posted=about)) == set()


@pytest.mark.parametrize(("after", "rules"), [(1.0, {Rule.EARLY}), (2.0, set())])
def test_a_receiver_is_not_asked_again_before_it_wants_to_be(
    after: float, rules: set[Rule]
) -> None:
    stored = record(channel="webhook", attempts=[attempt("transient"), attempt()])
    ledger = [copy(outcome=Outcome.REFUSED), copy(after=after)]
    assert broken(reckoning(stored, ledger)) == rules


def test_what_has_settled_is_changed_by_a_replay_alone() -> None:
    later = record(settled_at=NOW + timedelta(seconds=1))
    assert broken(replace(reckoning(later), witnessed={MAIL: record()})) == {Rule.CHANGED}
    replayed = record(settled_at=NOW, replays=1, attempts=[attempt(), attempt()])
    once = Posted(RUN, frozenset({MAIL}), replays=1)
    found = reckoning(replayed, [copy(), copy(f"{MAIL}-1")], once, replays=1)
    assert broken(replace(found, witnessed={MAIL: record(status="dead")})) == set()
    seen = record(replays=1)
    assert broken(replace(reckoning(), witnessed={MAIL: seen})) == {Rule.CHANGED}


def test_what_arrived_without_any_record_is_found() -> None:
    stray = str(UUID(int=7))
    assert broken(reckoning(ledger=[copy(), copy(stray)])) == {Rule.STRAY}
    assert broken(reckoning(ledger=[copy(), copy("")])) == {Rule.STRAY}


def test_what_nobody_posted_is_found() -> None:
    nobody = replace(reckoning(), attempted=frozenset(), posted={})
    assert broken(nobody) == {Rule.UNASKED}
    more = reckoning(posted=Posted(RUN, frozenset()))
    assert broken(more) == {Rule.UNASKED}
    assert broken(reckoning(replays=1)) == {Rule.UNASKED}


def test_frozen_totals_are_those_of_the_records() -> None:
    assert broken(reckoning(expected=2)) == {Rule.TOTALS}
    assert broken(reckoning(frozen={"email": {"dead": 1}})) == {Rule.TOTALS}


def test_a_queue_that_is_not_empty_is_found() -> None:
    found = replace(reckoning(), queues={"fogbell.dead": 1, "fogbell.expansion": 0})
    assert [v.what for v in found.violations()] == ["fogbell.dead still holds 1 messages"]


def test_a_violation_shows_the_attempts_and_the_ledger_of_its_delivery() -> None:
    (violation,) = reckoning(ledger=[copy(), copy()]).violations()
    shown = str(violation)
    assert str(MAIL) in shown
    assert "attempt {'outcome': 'accepted'}" in shown
    assert shown.count('ledger {"at"') == 2


def test_copies_beyond_the_first_are_counted_for_each_replay_by_itself() -> None:
    assert reckoning(ledger=[copy(), copy(), copy(f"{MAIL}-1")]).duplicates == 1
