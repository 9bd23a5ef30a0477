"""The arithmetic of shared rate limits: slots, lots of grants, and how many to ask for."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbell.limiting.allotment import Allotment, Demand, booked_by_others, room_in_ms
from fogbell.model.rate_limit import LONGEST_HOLD, SLOTS, Budget, Granted

windows = st.floats(0.1, 86_400)
BUDGET = Budget("b", 1000, 2.0)
NOW_MS = 1_800_000_000_000


def _granted(grants: int, bookings: tuple[tuple[int, int], ...] | None = None) -> Granted:
    booked = BUDGET.slot(NOW_MS) + BUDGET.hold_slots
    return Granted(grants, booked, NOW_MS, bookings or ((booked, grants),))


def _holding(grants: int, asked_at: float = 0.0) -> Allotment:
    allotment = Allotment(BUDGET)
    allotment.receive(_granted(grants), asked_at)
    return allotment


@pytest.mark.parametrize(("limit", "window"), [(0, 1), (-1, 1), (1, 0), (1, 0.05), (1, math.inf)])
def test_a_budget_needs_a_limit_and_a_window(limit: int, window: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        Budget("b", limit, window)


@given(windows, st.floats(0, 4e12))
def test_a_booking_counts_for_a_whole_window_after_any_use_in_its_slot(
    window: float, at_ms: float
) -> None:
    budget = Budget("b", 1, window)
    slot = budget.slot(at_ms)
    assert budget.slot_ms * SLOTS >= window * 1000
    # The store counts a slot as long as it is within SLOTS of its own.
    assert budget.slot(at_ms + window * 1000) <= slot + SLOTS
    assert budget.released_ms(slot) >= at_ms + window * 1000


@given(windows)
def test_no_grant_lies_unused_for_longer_than_the_hold(window: float) -> None:
    budget = Budget("b", 1, window)
    held_ms = budget.hold_slots * budget.slot_ms
    assert budget.slot_ms <= held_ms <= max(budget.slot_ms, LONGEST_HOLD * 1000)


@given(
    st.integers(0, 50),
    st.lists(st.tuples(st.integers(1, 20), st.floats(0, 0.5)), max_size=20),
)
def test_a_settlement_moves_every_used_grant_and_gives_the_others_back(
    grants: int, spends: list[tuple[int, float]]
) -> None:
    allotment, at, used = _holding(grants), 0.0, 0
    for wanted, pause in spends:
        at += pause
        used += wanted if allotment.spend(wanted, at) else 0
    assert used <= grants
    assert used == allotment.spent
    settled = allotment.settle()
    assert sum(n for _, n in settled) == used - grants
    assert all(slot <= _granted(1).booked for slot, _ in settled)
    assert allotment.settle() == ()
    assert allotment.left(at) == 0


@given(st.floats(0, 10), st.floats(0, 1), st.floats(0, 1))
def test_a_use_is_never_booked_before_its_slot(
    asked_at: float, way_there: float, later: float
) -> None:
    """MongoDB read its clock somewhere within the call; the process takes the call's beginning."""
    allotment = _holding(1, asked_at)
    used_at = asked_at + way_there + later
    true_ms = NOW_MS + later * 1000
    if allotment.spend(1, used_at):
        (_, (slot, _)) = allotment.settle()
        assert BUDGET.slot(true_ms) <= slot <= _granted(1).booked


def test_what_was_not_used_in_time_may_be_used_no_more() -> None:
    allotment = _holding(5)
    end = (BUDGET.end_ms(_granted(5).booked) - NOW_MS) / 1000
    assert allotment.left(end - 0.01) == 5
    assert allotment.left(end) == 0
    assert not allotment.spend(1, end)


def test_grants_for_several_are_all_or_none() -> None:
    allotment = _holding(5)
    assert not allotment.spend(6, 0.0)
    assert allotment.spend(5, 0.0)
    assert not allotment.spend(1, 0.0)


def test_without_demand_little_is_asked_for_ahead() -> None:
    assert Demand().ahead(BUDGET, 0.05) == 10
    assert Demand().ahead(Budget("b", 1, 1.0), 0.05) == 1


def test_a_slow_steady_demand_asks_for_half_of_what_it_may_use() -> None:
    demand = Demand()
    demand.observe(1, 0.0, 0.05)
    demand.observe(40, 1.0, 0.05)
    assert demand.ahead(BUDGET, 0.05) == 40


def test_ahead_of_need_a_process_takes_a_twentieth_at_most_unless_calls_would_not_keep_up() -> None:
    demand = Demand()
    demand.observe(100, 0.0, 0.05)
    demand.observe(400, 1.0, 0.05)
    assert demand.ahead(BUDGET, 0.05) == 50
    demand.observe(10_000, 2.0, 0.05)
    assert demand.ahead(BUDGET, 0.05) == 1000


@given(st.lists(st.tuples(st.integers(0, 1000), st.floats(0, 10)), max_size=10))
def test_demand_never_asks_for_more_than_the_limit(seen: list[tuple[int, float]]) -> None:
    demand, at = Demand(), 0.0
    for grants, pause in seen:
        at += pause
        demand.observe(grants, at, 0.05)
        assert 1 <= demand.ahead(BUDGET, 0.05) <= BUDGET.limit


def test_room_comes_when_enough_old_bookings_are_out_of_the_window() -> None:
    bookings = ((7, 5), (3, 2), (4, 1))
    assert room_in_ms(bookings, BUDGET, 1) == BUDGET.released_ms(3)
    assert room_in_ms(bookings, BUDGET, 3) == BUDGET.released_ms(4)
    assert room_in_ms(bookings, BUDGET, 8) == BUDGET.released_ms(7)
    assert room_in_ms(bookings, BUDGET, 9) is None


def test_who_was_refused_does_not_wait_for_what_he_just_got() -> None:
    booked = _granted(1).booked
    granted = _granted(3, ((5, 4), (booked, 2), (booked, 3)))
    assert booked_by_others(granted) == ((5, 4), (booked, 2))
