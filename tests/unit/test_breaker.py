"""The circuit breaker: when it opens, whom it lets through, and that it always recovers."""

from hypothesis import given
from hypothesis import strategies as st

from fogbell_worker.providers.breaker import PROBE_POLL, Breaker, BreakerRules, State

RULES = BreakerRules(failures=3, share=0.5, least=10, window=30.0, pause=10.0)


def failing(breaker: Breaker, number: int, now: float = 0.0) -> None:
    for _ in range(number):
        ticket = breaker.begin(now)
        assert ticket is not None
        breaker.failed(ticket, now)


def test_it_opens_after_so_many_failures_in_a_row() -> None:
    breaker = Breaker(RULES)
    failing(breaker, 2)
    assert breaker.wait(0.0) == 0.0
    failing(breaker, 1)
    assert (breaker.state, breaker.wait(0.0), breaker.begin(9.9)) == (State.OPEN, 10.0, None)


def answering(breaker: Breaker, now: float = 0.0) -> None:
    ticket = breaker.begin(now)
    assert ticket is not None
    breaker.succeeded(ticket, now)


def test_an_answer_between_failures_begins_the_count_again() -> None:
    breaker = Breaker(RULES)
    for now in range(0, 400, 40):  # a window each
        failing(breaker, 2, now)
        answering(breaker, now)
    assert breaker.state is State.CLOSED


def test_it_opens_once_enough_answers_have_failed_too_often() -> None:
    breaker = Breaker(RULES)
    for _ in range(4):
        answering(breaker)
        failing(breaker, 1)
    answering(breaker)
    assert breaker.wait(0.0) == 0.0
    failing(breaker, 1)
    assert breaker.wait(0.0) == RULES.pause


def test_a_share_needs_enough_answers_within_the_window() -> None:
    breaker = Breaker(RULES)
    for now in (0.0, 40.0, 80.0):  # a window each
        for _ in range(4):
            failing(breaker, 1, now)
            answering(breaker, now)
    assert breaker.state is State.CLOSED


def test_after_the_pause_one_probe_goes_and_decides() -> None:
    breaker = Breaker(RULES)
    failing(breaker, 3)
    probe = breaker.begin(10.0)
    assert probe is not None
    assert (breaker.begin(10.0), breaker.wait(10.0)) == (None, PROBE_POLL)
    breaker.failed(probe, 11.0)
    assert (breaker.state, breaker.wait(11.0)) == (State.OPEN, 10.0)
    probe = breaker.begin(21.0)
    assert probe is not None
    breaker.succeeded(probe, 22.0)
    assert breaker.state is State.CLOSED
    failing(breaker, 2, 23.0)
    assert breaker.state is State.CLOSED, "what failed before is forgotten"


def test_a_cancelled_probe_makes_room_for_another() -> None:
    breaker = Breaker(RULES)
    failing(breaker, 3)
    probe = breaker.begin(10.0)
    assert probe is not None
    breaker.abandoned(probe, 10.5)
    assert breaker.begin(10.5) is not None


def test_what_was_under_way_when_it_opened_says_nothing_of_the_provider_since() -> None:
    breaker = Breaker(RULES)
    early = [breaker.begin(0.0) or 0 for _ in range(6)]
    for ticket in early[:3]:
        breaker.failed(ticket, 1.0)
    breaker.succeeded(early[3], 2.0)
    breaker.failed(early[4], 9.0)
    assert (breaker.state, breaker.wait(9.0)) == (State.OPEN, 2.0)
    probe = breaker.begin(11.0)
    breaker.failed(early[5], 11.5)
    assert probe is not None
    breaker.succeeded(probe, 12.0)
    assert breaker.state is State.CLOSED


STEPS = st.lists(
    st.tuples(st.sampled_from(["begin", "ok", "failed", "cancelled"]), st.floats(0, 20)),
    max_size=80,
)


@given(STEPS)
def test_whatever_happens_probes_go_alone_and_the_way_opens_again(
    steps: list[tuple[str, float]],
) -> None:
    breaker, now = Breaker(RULES), 0.0
    under_way: list[tuple[int, State]] = []
    for step, seconds in steps:
        now += seconds
        if step == "begin":
            ticket = breaker.begin(now)
            if ticket is not None:
                under_way.append((ticket, breaker.state))
            probes = {t for t, s in under_way if s is State.HALF_OPEN and t == breaker._ticket}
            assert len(probes) <= 1
        elif under_way:
            ticket, _ = under_way.pop(0)
            end = {"ok": breaker.succeeded, "failed": breaker.failed}.get(step, breaker.abandoned)
            end(ticket, now)
    for ticket, _ in under_way:
        breaker.failed(ticket, now)
    now += RULES.pause
    probe = breaker.begin(now)
    assert probe is not None, "nobody is shut out for longer than the pause"
    breaker.succeeded(probe, now)
    assert breaker.begin(now) is not None
