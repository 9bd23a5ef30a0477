"""Which status may follow which."""

from itertools import product

import pytest

from fogbell.model.status import (
    CLAIMABLE,
    OUTSTANDING,
    PUSH_CHANNELS,
    SETTLED,
    TRANSITIONS,
    Cause,
    Channel,
    DeliveryStatus,
    IllegalTransitionError,
    sources,
    transition,
)

S = DeliveryStatus


def test_every_status_is_either_settled_or_outstanding() -> None:
    assert set(S) == SETTLED | OUTSTANDING
    assert not SETTLED & OUTSTANDING
    assert {status for status in S if status.settled} == SETTLED
    assert CLAIMABLE <= OUTSTANDING


@pytest.mark.parametrize("status", sorted(SETTLED))
def test_what_is_settled_changes_only_by_a_replay(status: S) -> None:
    assert [cause for s, cause in TRANSITIONS if s is status] == [Cause.REPLAY]
    assert transition(status, Cause.REPLAY) is S.PENDING


def test_only_what_is_settled_can_be_replayed() -> None:
    assert sources(Cause.REPLAY) == SETTLED


def test_every_way_between_two_statuses_is_one_of_the_protocols() -> None:
    """The sentence of the protocol, word for word."""
    ways: dict[S, set[S]] = {}
    for (status, cause), after in TRANSITIONS.items():
        if cause is not Cause.REPLAY:
            ways.setdefault(status, set()).add(after)
    assert ways == {
        S.PENDING: {S.SENDING, S.SKIPPED, S.CANCELLED},
        S.SENDING: {S.DELIVERED, S.FAILED, S.DEAD, S.PENDING, S.SKIPPED, S.CANCELLED},
        S.FAILED: {S.SENDING, S.DEAD, S.CANCELLED, S.DELIVERED},
    }


def test_everything_else_is_refused_with_what_would_be_allowed() -> None:
    for status, cause in product(S, Cause):
        if (status, cause) in TRANSITIONS:
            continue
        with pytest.raises(IllegalTransitionError, match=f"a {status} delivery") as raised:
            transition(status, cause)
        assert (raised.value.status, raised.value.cause) == (status, cause)
    with pytest.raises(IllegalTransitionError, match="it takes replay"):
        transition(S.DEAD, Cause.CLAIM)


def test_sources_are_what_takes_a_cause() -> None:
    for cause in Cause:
        assert sources(cause) == {status for status in S if (status, cause) in TRANSITIONS}
    assert sources(Cause.CLAIM) == CLAIMABLE


def test_every_outstanding_status_can_still_be_settled() -> None:
    reachable = set(SETTLED)
    for _ in S:
        reachable |= {s for (s, _), after in TRANSITIONS.items() if after in reachable}
    assert reachable == set(S)


def test_only_the_inbox_is_not_pushed() -> None:
    assert set(Channel) - PUSH_CHANNELS == {Channel.INBOX}
