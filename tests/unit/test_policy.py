"""What follows from an outcome: when to try again, and when to give up."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbell import policy
from fogbell.model.outcome import Deferred, Outcome, Reply
from fogbell.model.status import Cause, Channel, DeliveryStatus, Lane, transition
from fogbell.policy import Ambiguous, RetryPolicy, Standing, Verdict, judge

jitters = st.floats(min_value=0, max_value=1, exclude_max=True)
spans = st.floats(min_value=0, max_value=10**9)
replies = st.builds(
    Reply,
    outcome=st.sampled_from(Outcome),
    reason=st.one_of(st.none(), st.just("greylisted")),
    retry_after=st.one_of(st.none(), st.floats(min_value=-10, max_value=10**9)),
)
standings = st.builds(
    Standing,
    channel=st.sampled_from(Channel),
    attempt=st.integers(min_value=1, max_value=10**6),
    age=spans,
    cancelled=st.booleans(),
    expired=st.booleans(),
)
policies = st.builds(
    RetryPolicy,
    attempts=st.integers(min_value=1, max_value=100),
    max_age=spans,
    base=st.floats(min_value=0, max_value=10**5),
    factor=st.floats(min_value=1, max_value=1000),
    cap=spans,
    ambiguous=st.dictionaries(st.sampled_from(Channel), st.sampled_from(Ambiguous)),
)
TRANSIENT = Reply(Outcome.TRANSIENT)
DEFAULT = RetryPolicy()


@given(policies, st.integers(min_value=1, max_value=10**9), jitters)
def test_a_pause_lies_between_nothing_and_the_cap(
    policy_: RetryPolicy, attempt: int, jitter: float
) -> None:
    assert 0 <= policy_.backoff(attempt, jitter) <= policy_.cap


@given(policies, st.integers(min_value=1, max_value=10**9), jitters, spans)
def test_a_pause_is_never_shorter_than_the_provider_asked(
    policy_: RetryPolicy, attempt: int, jitter: float, asked: float
) -> None:
    pause = policy_.backoff(attempt, jitter, asked)
    assert asked <= pause <= max(asked, policy_.cap)


@given(policies, st.integers(min_value=1, max_value=100), jitters)
def test_the_range_of_pauses_never_shrinks(
    policy_: RetryPolicy, attempt: int, jitter: float
) -> None:
    assert policy_.backoff(attempt, jitter) <= policy_.backoff(attempt + 1, jitter)


def test_the_pauses_are_those_of_the_defaults() -> None:
    almost = 1 - 2**-53
    pauses = [round(DEFAULT.backoff(n, almost)) for n in range(1, 10)]
    assert pauses == [10, 30, 90, 270, 810, 2430, 7290, 21600, 21600]
    assert DEFAULT.backoff(5, 0.0) == 0.0


@given(replies, standings, policies, jitters)
def test_every_verdict_is_a_way_out_of_sending(
    reply: Reply, standing: Standing, policy_: RetryPolicy, jitter: float
) -> None:
    verdict = judge(reply, standing, policy_, jitter)
    after = transition(DeliveryStatus.SENDING, verdict.cause)
    assert after.settled or after is DeliveryStatus.FAILED
    assert (verdict.delay is not None) == (verdict.cause is Cause.RETRY_LATER)
    assert (verdict.reason is None) == (verdict.cause is Cause.ACCEPTED)


@given(replies, standings, policies, jitters)
def test_attempts_and_age_are_bounds_of_every_retry(
    reply: Reply, standing: Standing, policy_: RetryPolicy, jitter: float
) -> None:
    verdict = judge(reply, standing, policy_, jitter)
    if verdict.delay is not None:
        assert standing.attempt < policy_.attempts
        assert standing.age + verdict.delay <= policy_.max_age
        assert verdict.delay >= max(0.0, reply.retry_after or 0.0)
        assert not standing.cancelled
        assert not standing.expired


@given(replies, policies, jitters)
def test_a_delivery_that_never_succeeds_ends_after_its_attempts(
    reply: Reply, policy_: RetryPolicy, jitter: float
) -> None:
    for attempt in range(1, policy_.attempts + 1):
        verdict = judge(reply, Standing(Channel.EMAIL, attempt, 0.0), policy_, jitter)
        if verdict.cause is not Cause.RETRY_LATER:
            return
    raise AssertionError("it was still retried after its last attempt")


@given(standings, policies, jitters)
def test_accepted_is_accepted_whatever_else_is_so(
    standing: Standing, policy_: RetryPolicy, jitter: float
) -> None:
    accepted = judge(Reply(Outcome.ACCEPTED, retry_after=5.0), standing, policy_, jitter)
    assert accepted == Verdict(Cause.ACCEPTED)


def _standing(**fields: object) -> Standing:
    return Standing(**{"channel": Channel.EMAIL, "attempt": 1, "age": 0.0, **fields})  # type: ignore[arg-type] # of mixed types


@pytest.mark.parametrize(
    ("reply", "standing", "cause", "reason"),
    [
        (Reply(Outcome.PERMANENT), _standing(), Cause.GIVE_UP, "refused"),
        (Reply(Outcome.PERMANENT, reason="gone"), _standing(), Cause.GIVE_UP, "gone"),
        (Reply(Outcome.PERMANENT), _standing(cancelled=True), Cause.GIVE_UP, "refused"),
        (TRANSIENT, _standing(), Cause.RETRY_LATER, "transient"),
        (Reply(Outcome.TRANSIENT, reason="full"), _standing(), Cause.RETRY_LATER, "full"),
        (TRANSIENT, _standing(cancelled=True), Cause.CANCEL, "cancelled"),
        (TRANSIENT, _standing(expired=True), Cause.GIVE_UP, "expired"),
        (TRANSIENT, _standing(cancelled=True, expired=True), Cause.CANCEL, "cancelled"),
        (TRANSIENT, _standing(attempt=7), Cause.RETRY_LATER, "transient"),
        (TRANSIENT, _standing(attempt=8), Cause.GIVE_UP, "attempts_exhausted"),
        (TRANSIENT, _standing(age=72 * 3600.0), Cause.GIVE_UP, "too_old"),
        (Reply(Outcome.TRANSIENT, retry_after=1e9), _standing(), Cause.GIVE_UP, "too_old"),
        (Reply(Outcome.AMBIGUOUS), _standing(), Cause.RETRY_LATER, "ambiguous"),
        (Reply(Outcome.AMBIGUOUS), _standing(channel=Channel.SMS), Cause.GIVE_UP, "ambiguous"),
    ],
)
def test_the_verdict_of_each_outcome(
    reply: Reply, standing: Standing, cause: Cause, reason: str
) -> None:
    verdict = judge(reply, standing, DEFAULT, 0.5)
    assert (verdict.cause, verdict.reason) == (cause, reason)


@pytest.mark.parametrize(
    ("standing", "cause", "reason"),
    [
        (_standing(), Cause.RELEASE, "rate_limited"),
        (_standing(attempt=100), Cause.RELEASE, "rate_limited"),
        (_standing(cancelled=True, expired=True), Cause.CANCEL, "cancelled"),
        (_standing(expired=True), Cause.GIVE_UP, "expired"),
        (_standing(age=72 * 3600.0), Cause.GIVE_UP, "too_old"),
    ],
)
def test_what_nobody_could_be_asked_about_waits_whatever_its_budget(
    standing: Standing, cause: Cause, reason: str
) -> None:
    verdict = policy.judge_deferred(Deferred("rate_limited", 3.0), standing, DEFAULT, 0.5)
    assert (verdict.cause, verdict.reason) == (cause, reason)


@given(spans, st.floats(0, 1, exclude_max=True), st.floats(0, 3600), spans)
def test_a_deferral_is_never_a_tight_loop_nor_shorter_than_asked_for(
    age: float, jitter: float, asked: float, base: float
) -> None:
    endless = RetryPolicy(base=base, max_age=1e12)
    verdict = policy.judge_deferred(
        Deferred("provider_unavailable", asked), _standing(age=age), endless, jitter
    )
    assert verdict.delay is not None
    assert max(policy.SHORTEST_DEFERRAL, asked) <= verdict.delay
    assert verdict.delay <= 1.5 * max(base, asked, policy.LONGEST_DEFERRAL)


@given(st.integers(min_value=0, max_value=2000), st.booleans())
def test_large_audiences_and_those_of_the_directory_are_bulk(people: int, queries: bool) -> None:
    bulk = policy.lane_for(people, queries_directory=queries) is Lane.BULK
    assert bulk == (queries or people > 100)


@given(st.floats(min_value=0, max_value=10**6), st.integers(0, 10**6), spans)
def test_a_grace_doubles_up_to_its_cap(grace: float, releases: int, cap: float) -> None:
    now, later = (policy.next_grace(grace, n, cap) for n in (releases, releases + 1))
    assert now <= later <= cap
    assert policy.next_grace(grace, 0, cap) == min(grace, cap)


def test_a_send_that_starts_in_time_ends_and_is_recorded_within_the_lease() -> None:
    last = policy.last_start(claimed_at=100.0, lease=60.0, send_timeout=30.0, margin=5.0)
    assert last + 30.0 + 5.0 == 160.0


def test_a_notification_expires_at_its_time_and_not_before() -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    assert policy.expired(now, now)
    assert not policy.expired(now + timedelta(milliseconds=1), now)
    assert not policy.expired(None, now)
