"""What chaos draws from a seed, and how it tells what came of it."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.chaos.books import Books, Probe
from tests.chaos.faults import FAULTS
from tests.chaos.fleet import TRACEBACK, is_defect
from tests.chaos.kinds import LASTS, NETWORK, Kind
from tests.chaos.plan import Bounds, Planned, draw, once_each
from tests.chaos.report import Recovery, Report, recovery
from tests.chaos.story import Happened
from tests.unit.test_reckoning import CLAIM, NOW, copy, reckoning

SEEDS = st.integers(0, 1_000_000)


@given(SEEDS, st.floats(60, 3600))
def test_equal_seeds_draw_equal_plans(seed: int, seconds: float) -> None:
    assert draw(seed, seconds) == draw(seed, seconds)


def test_other_seeds_draw_other_plans() -> None:
    assert len({tuple(draw(seed, 600)) for seed in range(50)}) == 50


@given(SEEDS)
def test_a_longer_plan_begins_as_a_shorter_one(seed: int) -> None:
    short, long = draw(seed, 180), draw(seed, 1200)
    assert long[: len(short)] == short


@given(SEEDS)
def test_each_kind_comes_once_before_any_comes_again(seed: int) -> None:
    kinds = [planned.kind for planned in draw(seed, 3600)]
    for start in range(0, len(kinds) - len(Kind), len(Kind)):
        assert set(kinds[start : start + len(Kind)]) == set(Kind)


@given(SEEDS, st.floats(30, 3600))
def test_a_plan_fills_its_time_and_no_more(seed: int, seconds: float) -> None:
    plan = draw(seed, seconds)
    assert sum(planned.seconds for planned in plan) <= seconds + 0.1 or len(plan) == 1


@given(SEEDS)
def test_every_fault_lasts_as_its_kind_says(seed: int) -> None:
    for planned in draw(seed, 1200):
        shortest, longest = LASTS[planned.kind]
        assert shortest - 0.1 <= planned.lasts <= longest + 0.1
        assert 0 <= planned.pick <= 1


@given(SEEDS)
def test_a_short_plan_has_each_of_its_kinds_once(seed: int) -> None:
    kinds = (Kind.KILL_WORKER, Kind.MONGODB_KILL, Kind.RABBITMQ_KILL)
    plan = once_each(seed, Bounds(kinds, pause=(0.5, 1), longest=1.5))
    assert sorted(planned.kind for planned in plan) == sorted(kinds)


def test_there_is_a_fault_and_a_span_for_every_kind() -> None:
    assert set(FAULTS) == set(LASTS) == set(Kind)
    assert len(NETWORK) == 6


def _happened(began: float, healed: float) -> Happened:
    return Happened(Planned(1, Kind.KILL_WORKER, 1, healed - began, 0.5), began, healed, "w")


def _recovery(*probes: tuple[float, float | None]) -> Recovery:
    """Of a fault from 10 to 20; ``probes``: when each was posted, and when it arrived."""
    asked = [Probe(at, UUID(int=n)) for n, (at, _) in enumerate(probes)]
    arrived = {UUID(int=n): at for n, (_, at) in enumerate(probes) if at is not None}
    return recovery(_happened(10, 20), asked, arrived)


@pytest.mark.parametrize(
    ("probes", "expected"),
    [
        pytest.param([(12, 23.0), (18, 24.0)], Recovery(3, 4), id="rings again after the heal"),
        pytest.param([(12, 22.0), (18, 18.1)], Recovery(0, 2), id="never stopped"),
        pytest.param([(10, 10.1), (18, 21.0)], Recovery(1, 1), id="stopped a little later"),
        pytest.param([(18, None), (21, 25.0)], Recovery(5, None), id="one was never delivered"),
        pytest.param([(18, None)], Recovery(None, None), id="never rang again"),
        pytest.param([(5, 25.0), (21, 21.5)], Recovery(1.5, 0), id="earlier ones do not count"),
    ],
)
def test_recovery_is_from_the_heal_to_a_probe_that_was_posted_since_it_began(
    probes: list[tuple[float, float | None]], expected: Recovery
) -> None:
    assert _recovery(*probes) == expected


def _report(**changes: object) -> Report:
    whole = {
        "seed": 7, "happened": [_happened(10, 20)], "recoveries": [Recovery(1, 2)],
        "reckoning": reckoning(), "violations": [], "left": "", "answers": {},
    }  # fmt: skip
    return Report(**{**whole, **changes})  # type: ignore[arg-type]


def test_the_last_line_is_exactly_what_scripts_look_for() -> None:
    line = "fogbell chaos: seed=7 deliveries=1 faults=1 lost=0 duplicated=0 unexplained=0"
    assert _report().line() == line
    assert _report().passed


def test_what_is_lost_unexplained_or_not_at_rest_fails() -> None:
    lost, copies = reckoning(ledger=[]), reckoning(ledger=[copy(), copy()])
    one = _report(reckoning=lost, violations=list(lost.violations()))
    other = _report(reckoning=copies, violations=list(copies.violations()))
    assert (one.lost, one.unexplained, one.passed) == (1, 0, False)
    assert (other.lost, other.unexplained, other.passed) == (0, 1, False)
    assert not _report(left="3 deliveries outstanding").passed
    assert not _report(refused=["422"]).passed


def test_a_component_that_ended_by_a_defect_fails_and_is_told() -> None:
    assert _report(ended=["retry has ended with exit status 1"]).passed
    report = _report(defects=["worker-b1 (pid 7)"])
    assert not report.passed
    assert "ended by a defect: worker-b1 (pid 7)" in report.lines()


@pytest.mark.parametrize(
    ("name", "status", "log", "defect"),
    [
        ("retry", 1, '{"event": "no sweep succeeded"}', False),
        ("campaign", 75, "", False),
        ("retry", 1, f"{TRACEBACK}:\n  File", True),
        ("retry", 139, "", True),
        ("worker", 1, "", True),
        ("intake", 0, "", True),
    ],
)
def test_a_job_alone_may_end_without_success(
    name: str, status: int, log: str, defect: bool
) -> None:
    assert is_defect(name, status, log) is defect


def test_the_first_witness_of_each_replay_stays() -> None:
    books, one = Books(), UUID(int=1)
    first = {"status": "delivered", "settled_at": NOW}
    later = {"status": "dead", "settled_at": NOW + CLAIM}
    books.witness({one: first})
    books.witness({one: later})
    assert (books.witnessed, books.witnessed_until) == ({one: first}, NOW + CLAIM)
    books.witness({one: later | {"replays": 1}})
    assert books.witnessed == {one: later | {"replays": 1}}
    books.witness({})
    assert books.witnessed_until == NOW + CLAIM


def test_every_violation_is_told_with_its_evidence() -> None:
    found = reckoning(ledger=[copy(), copy()])
    text = "\n".join(_report(reckoning=found, violations=list(found.violations())).lines())
    assert "copies: delivery 00000000-0000-0000-0000-000000000002" in text
    assert text.count('ledger {"at"') == 2
