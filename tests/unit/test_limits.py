"""Requests per second of a key."""

from fogbell_intake.limits import RateLimiter


def test_without_a_limit_nobody_waits() -> None:
    limiter = RateLimiter(None)
    assert all(limiter.wait("a", 0.0) == 0 for _ in range(10_000))


def test_a_burst_is_let_through_then_the_rate_holds() -> None:
    limiter = RateLimiter(10, burst_seconds=2)
    assert [limiter.wait("a", 0.0) for _ in range(20)] == [0] * 20
    assert limiter.wait("a", 0.0) == 0.1
    assert limiter.wait("a", 0.11) == 0
    assert limiter.wait("a", 0.11) > 0


def test_who_is_refused_pays_nothing_for_it() -> None:
    limiter = RateLimiter(1, burst_seconds=1)
    assert limiter.wait("a", 0.0) == 0
    assert all(limiter.wait("a", 0.5) == 0.5 for _ in range(10))
    assert limiter.wait("a", 1.0) == 0


def test_keys_are_counted_apart() -> None:
    limiter = RateLimiter(1, burst_seconds=1)
    assert limiter.wait("a", 0.0) == limiter.wait("b", 0.0) == 0
    assert limiter.wait("a", 0.0) > 0


def test_a_long_rest_saves_up_no_more_than_the_burst() -> None:
    limiter = RateLimiter(10, burst_seconds=2)
    limiter.wait("a", 0.0)
    assert sum(limiter.wait("a", 1e6) == 0 for _ in range(100)) == 20


def test_a_limit_below_one_a_second_still_lets_one_through() -> None:
    limiter = RateLimiter(0.1)
    assert limiter.wait("a", 0.0) == 0
    assert limiter.wait("a", 0.0) == 10


def test_only_so_many_keys_are_remembered() -> None:
    limiter = RateLimiter(1)
    for number in range(20_000):
        limiter.wait(str(number), 0.0)
    assert len(limiter._buckets) == 10_000
