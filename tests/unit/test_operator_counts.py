"""What is shown of a run that goes on never takes a step back."""

from dataclasses import replace
from uuid import UUID

import pytest
from tests.support.operator import NOW, campaign, record

from fogbell.model.notification import Progress
from fogbell.model.status import DeliveryStatus
from fogbell.store.progress import summed
from fogbell_operator import runs
from fogbell_operator.resources import Campaign

RUN = record(UUID(int=7))
DELIVERED = DeliveryStatus.DELIVERED


def reached(delivered: int, *, expanding: bool = True) -> Progress:
    empty = summed({}, NOW if expanding else None)
    return replace(empty, totals=empty.totals | {DELIVERED: delivered})


def showing(delivered: int, run: UUID = RUN.id) -> Campaign:
    return campaign(status={"lastRun": {"id": str(run), "delivered": delivered}})


@pytest.mark.parametrize(
    ("before", "now", "expected"), [(564, 568, 568), (568, 564, 568), (568, 568, 568)]
)
def test_what_was_delivered_stays_delivered(before: int, now: int, expected: int) -> None:
    held = runs.at_least(reached(now), RUN, showing(before))
    assert held.totals == reached(expected).totals


def test_counts_that_are_exact_stand_whatever_was_shown() -> None:
    """A replay takes what was delivered back."""
    exact = reached(3, expanding=False)
    assert runs.at_least(exact, RUN, showing(9)) == exact
    expanded = replace(RUN, expected=10)
    assert runs.at_least(reached(3), expanded, showing(9)) == reached(3)


def test_another_runs_counts_say_nothing() -> None:
    for before in (showing(9, UUID(int=8)), campaign()):
        assert runs.at_least(reached(3), RUN, before) == reached(3)
