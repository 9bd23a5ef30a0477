"""Acknowledgements, against a model of what a broker keeps for a channel."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fogbell.broker.acks import Acks, AckTracker


class BrokerChannel:
    """What RabbitMQ knows of a channel: its unacknowledged tags.

    An unknown tag is a channel error, ``multiple`` or not (rabbit_channel.erl, collect_acks).
    """

    def __init__(self) -> None:
        self.unacknowledged: set[int] = set()

    def acknowledge(self, tag: int, *, multiple: bool = False) -> set[int]:
        assert tag in self.unacknowledged, f"PRECONDITION_FAILED - unknown delivery tag {tag}"
        gone = {t for t in self.unacknowledged if t == tag or (multiple and t < tag)}
        self.unacknowledged -= gone
        return gone

    def apply(self, acks: Acks) -> set[int]:
        gone = set[int]()
        if acks.up_to is not None:
            gone |= self.acknowledge(acks.up_to, multiple=True)
        for tag in acks.single:
            gone |= self.acknowledge(tag)
        return gone


class Acknowledging(RuleBasedStateMachine):
    """Messages arrive, finish in any order or are rejected; now and then acks are sent."""

    def __init__(self) -> None:
        super().__init__()
        self.tracker = AckTracker()
        self.broker = BrokerChannel()
        self.arrived = 0
        self.working: set[int] = set()
        self.finished: set[int] = set()

    @rule(number=st.integers(min_value=1, max_value=5))
    def arrive(self, number: int) -> None:
        for _ in range(number):
            self.arrived += 1
            self.broker.unacknowledged.add(self.arrived)
            self.working.add(self.arrived)

    @precondition(lambda self: self.working)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        tag = data.draw(st.sampled_from(sorted(self.working)))
        self.working.remove(tag)
        self.finished.add(tag)
        self.tracker.finish(tag)

    @precondition(lambda self: self.working)
    @rule(data=st.data())
    def reject(self, data: st.DataObject) -> None:
        tag = data.draw(st.sampled_from(sorted(self.working)))
        self.working.remove(tag)
        self.broker.acknowledge(tag)
        self.tracker.settle(tag)

    @rule()
    def take(self) -> None:
        assert self.broker.apply(self.tracker.take()) == self.finished
        self.finished.clear()

    @invariant()
    def nothing_unfinished_is_acknowledged(self) -> None:
        assert self.working | self.finished == self.broker.unacknowledged

    @invariant()
    def memory_is_bounded_by_what_is_open(self) -> None:
        oldest = min(self.working | self.finished, default=self.arrived + 1)
        tracked = self.tracker._finished | self.tracker._acknowledged
        assert len(tracked) <= self.arrived
        if self.tracker._frontier >= oldest - 1:
            assert min(tracked, default=oldest) >= oldest


TestAcknowledging = Acknowledging.TestCase


def _after(*finished: int) -> AckTracker:
    tracker = AckTracker()
    for tag in finished:
        tracker.finish(tag)
    return tracker


@pytest.mark.parametrize(
    ("finished", "acks"),
    [
        ((), Acks(None, [])),
        ((1,), Acks(1, [])),
        ((3, 1, 2), Acks(3, [])),
        ((2, 4), Acks(None, [2, 4])),
        ((1, 2, 4), Acks(2, [4])),
    ],
)
def test_only_the_contiguous_prefix_is_acknowledged_at_once(
    finished: tuple[int, ...], acks: Acks
) -> None:
    assert _after(*finished).take() == acks


def test_a_tag_that_was_acknowledged_by_itself_is_never_named_again() -> None:
    tracker = _after(2)
    assert tracker.take() == Acks(None, [2])
    tracker.finish(1)
    assert tracker.take() == Acks(1, [])
    tracker.finish(3)
    assert tracker.take() == Acks(3, [])


def test_a_rejected_tag_holds_nothing_up_and_is_never_acknowledged() -> None:
    tracker = _after(1)
    tracker.settle(2)
    assert tracker.take() == Acks(1, [])
    tracker.finish(3)
    assert tracker.take() == Acks(3, [])


@given(st.permutations(range(1, 30)))
def test_nothing_is_left_over_once_everything_is_acknowledged(order: list[int]) -> None:
    tracker = AckTracker()
    for place, tag in enumerate(order):
        tracker.finish(tag)
        if place % 3 == 0:
            tracker.take()
    tracker.take()
    assert (tracker._frontier, tracker._finished, tracker._acknowledged) == (29, set(), set())
