"""When the client sends a request again: the arithmetic, without any waiting."""

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbell_client.errors import FogbellError, ProblemError, UnreachableError
from fogbell_client.retrying import NO_RETRIES, Repeat, RetryPolicy, Tries

UNSENT = UnreachableError("nobody", sent=False)
CUT = UnreachableError("cut", sent=True)
PROBLEMS = [ProblemError(status, {}) for status in (400, 401, 404, 409, 422, 429, 500, 502, 503)]
EVERYTHING: list[FogbellError] = [UNSENT, CUT, *PROBLEMS]

seconds = st.floats(min_value=0, max_value=1e6)
pauses = st.floats(min_value=1e-3, max_value=1e3)
policies = st.builds(
    lambda patience, connect, one, other: RetryPolicy(
        patience, connect, min(one, other), max(one, other)
    ),
    seconds,
    seconds,
    pauses,
    pauses,
)
failures = st.integers(min_value=1, max_value=10_000)
chances = st.floats(min_value=0, max_value=1)


def allowed(repeat: Repeat) -> list[FogbellError]:
    return [error for error in EVERYTHING if repeat.allows(error)]


def statuses(errors: list[FogbellError]) -> list[int]:
    return [error.status for error in errors if isinstance(error, ProblemError)]


def test_what_may_be_repeated_is_repeated_when_intake_cannot_answer_now() -> None:
    assert allowed(Repeat.ALWAYS)[:2] == [UNSENT, CUT]
    assert statuses(allowed(Repeat.ALWAYS)) == [429, 503]


def test_what_may_have_had_effect_is_not_repeated_blindly() -> None:
    assert allowed(Repeat.WITHOUT_EFFECT)[:1] == [UNSENT]
    assert CUT not in allowed(Repeat.WITHOUT_EFFECT)
    assert statuses(allowed(Repeat.WITHOUT_EFFECT)) == [429]


def test_a_stream_that_can_be_read_once_is_repeated_only_if_it_never_left() -> None:
    assert allowed(Repeat.UNSENT) == [UNSENT]


@given(policies, seconds, failures, seconds, chances)
def test_no_try_starts_sooner_than_retry_after(
    policy: RetryPolicy, asked: float, count: int, elapsed: float, chance: float
) -> None:
    error = ProblemError(503, {}, asked)
    wait = policy.pause(error, Repeat.ALWAYS, failures=count, elapsed=elapsed, chance=chance)
    assert wait is None or wait >= asked


@given(policies, st.sampled_from(EVERYTHING), st.sampled_from(Repeat), failures, seconds, chances)
def test_no_try_starts_later_than_patience_allows(
    policy: RetryPolicy,
    error: FogbellError,
    repeat: Repeat,
    count: int,
    elapsed: float,
    chance: float,
) -> None:
    wait = policy.pause(error, repeat, failures=count, elapsed=elapsed, chance=chance)
    patience = policy.connect_patience if error is UNSENT else policy.patience
    assert wait is None or elapsed + wait <= patience


@given(policies, failures)
def test_pauses_never_shrink_and_never_pass_the_longest(policy: RetryPolicy, count: int) -> None:
    assert policy.first_pause <= policy.backoff(count) <= policy.backoff(count + 1)
    assert policy.backoff(count + 1) <= policy.longest_pause


@given(policies, failures, chances)
def test_at_least_half_of_a_pause_is_certain(
    policy: RetryPolicy, count: int, chance: float
) -> None:
    patient = RetryPolicy(1e9, 1e9, policy.first_pause, policy.longest_pause)
    wait = patient.pause(CUT, Repeat.ALWAYS, failures=count, elapsed=0, chance=chance)
    assert wait is not None
    assert policy.backoff(count) / 2 <= wait <= policy.backoff(count)


@given(st.lists(chances, min_size=200, max_size=200))
def test_tries_are_bounded_even_if_every_failure_is_instant(dice: list[float]) -> None:
    policy, elapsed, count = RetryPolicy(), 0.0, 0
    for count, chance in enumerate(dice, start=1):
        wait = policy.pause(CUT, Repeat.ALWAYS, failures=count, elapsed=elapsed, chance=chance)
        if wait is None:
            break
        elapsed += wait
    assert count <= 20


def test_without_retries_every_failure_is_raised_at_once() -> None:
    for error in EVERYTHING:
        for repeat in Repeat:
            assert NO_RETRIES.pause(error, repeat, failures=1, elapsed=0, chance=0) is None


@pytest.mark.parametrize(("first", "longest"), [(0, 1), (-1, 1), (2, 1)])
def test_pauses_that_would_not_bound_the_tries_are_refused(first: float, longest: float) -> None:
    with pytest.raises(ValueError, match="first_pause"):
        RetryPolicy(first_pause=first, longest_pause=longest)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_last_error_is_raised_when_patience_ends() -> None:
    clock, heard = Clock(), list[FogbellError]()
    policy = RetryPolicy(patience=10)
    tries = Tries("http://x", policy, Repeat.ALWAYS, lambda error, _: heard.append(error), clock)
    assert 0 < tries.pause(CUT) <= policy.first_pause
    clock.now = 9.99
    with pytest.raises(ProblemError) as raised:
        tries.pause(PROBLEMS[-1])
    assert raised.value is PROBLEMS[-1]
    assert heard == [CUT]


def test_the_error_of_a_lost_connection_says_whether_anything_was_sent() -> None:
    for lost, sent in (
        (httpx2.ConnectError("no"), False),
        (httpx2.ConnectTimeout("no"), False),
        (httpx2.ReadTimeout("no"), True),
        (httpx2.RemoteProtocolError("no"), True),
    ):
        with pytest.raises(UnreachableError) as raised:
            Tries("http://x", NO_RETRIES, Repeat.ALWAYS).pause(lost)
        assert raised.value.sent is sent
        assert raised.value.__cause__ is lost
