"""The limit that a process holds a key to by itself, while MongoDB is away."""

from fogbell_intake.key_limits import TokenBucket


def test_a_burst_is_let_through_then_the_rate_holds() -> None:
    bucket = TokenBucket(10, 20)
    assert [bucket.wait(1, 0.0) for _ in range(20)] == [0] * 20
    assert bucket.wait(1, 0.0) == 0.1
    assert bucket.wait(1, 0.11) == 0
    assert bucket.wait(1, 0.11) > 0


def test_who_is_refused_pays_nothing_for_it() -> None:
    bucket = TokenBucket(1, 1)
    assert bucket.wait(1, 0.0) == 0
    assert all(bucket.wait(1, 0.5) == 0.5 for _ in range(10))
    assert bucket.wait(1, 1.0) == 0


def test_several_are_taken_together_or_not_at_all() -> None:
    bucket = TokenBucket(10, 20)
    assert bucket.wait(15, 0.0) == 0
    assert bucket.wait(15, 0.0) == 1
    assert bucket.wait(5, 0.0) == 0


def test_a_long_rest_saves_up_no_more_than_the_burst() -> None:
    bucket = TokenBucket(10, 20)
    bucket.wait(1, 0.0)
    assert sum(bucket.wait(1, 1e6) == 0 for _ in range(100)) == 20
