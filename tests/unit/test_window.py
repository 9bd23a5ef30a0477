"""Until when one retry job sweeps: by the minute in its name, never by when its pod started."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbell_local.processes import job_name
from fogbell_retry.window import LAST_SECOND, next_window, window_end

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MINUTE = int(NOON.timestamp()) // 60


@given(st.integers(0, 3600))
def test_the_jobs_minute_decides_however_late_its_pod_starts(late: int) -> None:
    started = NOON + timedelta(seconds=late)
    assert window_end(f"fogbell-retry-{MINUTE}", started) == NOON + timedelta(seconds=55)


@pytest.mark.parametrize(
    "name", [None, "", "by-hand", "retry-manual-x7k2p", "retry-1234567", f"retry-{MINUTE}-abcde"]
)
def test_a_job_made_by_hand_sweeps_to_the_end_of_its_own_minute(name: str | None) -> None:
    started = NOON + timedelta(seconds=17.25)
    assert window_end(name, started) == NOON + timedelta(seconds=55)
    assert window_end(name, NOON + timedelta(seconds=57)) < NOON + timedelta(seconds=57)


def test_the_name_of_a_cronjob_may_hold_numbers_of_its_own() -> None:
    name = f"release-20250101-retry-{MINUTE}"
    assert window_end(name, NOON) == NOON + timedelta(seconds=LAST_SECOND)


@given(st.integers(0, 3600))
def test_a_rest_lasts_to_the_next_minute_on_the_clock(late: int) -> None:
    end = window_end(None, NOON + timedelta(seconds=late))
    assert next_window(end) - end == timedelta(seconds=60 - LAST_SECOND)
    assert next_window(end).second == 0


@given(st.floats(0, 59.99))
def test_what_follows_a_window_is_named_for_one_that_is_still_to_end(second: float) -> None:
    """Locally a window follows the one before at once: in the last seconds it is the next's."""
    now = NOON + timedelta(seconds=second)
    assert window_end(job_name(now.timestamp()), now) > now
