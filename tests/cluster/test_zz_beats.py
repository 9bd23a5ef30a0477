"""Last, so that the other tests' time counts: the beats of the retry CronJob."""

from datetime import UTC, datetime
from itertools import pairwise
from statistics import median

import pytest
from tests.cluster.beats import Beat, Beats
from tests.cluster.kube import wait_until

MINUTES = 10


@pytest.mark.timeout(1200)
def test_ten_minutes_of_retry_have_no_skipped_and_no_drifting_beat(beats: Beats) -> None:
    def enough() -> list[Beat] | None:
        ended = [beat for beat in beats.all() if beat.ended is not None]
        return ended if len(ended) >= MINUTES else None

    seen: list[Beat] = wait_until(
        f"{MINUTES} beats", enough, 60 * (MINUTES + 3), lambda: str(beats.all())
    )
    assert not [beat for beat in beats.all() if beat.failed]
    assert {b.minute - a.minute for a, b in pairwise(seen)} == {1}, "a beat was skipped"
    late = [(b.started - datetime.fromtimestamp(b.minute * 60, UTC)).total_seconds() for b in seen]
    # One may wait for the end of the one before, or for a machine that stalls; it does not spread.
    assert median(late) < 5, f"beats drift: {late}"
    assert max(late) < 40, f"a beat was nearly skipped: {late}"
