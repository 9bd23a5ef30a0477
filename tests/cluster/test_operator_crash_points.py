"""An operator may die before and after whatever it changes: the next one finishes it."""

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from tests.cluster.kube import Kube, wait_until
from tests.cluster.operating import Place, document
from tests.cluster.policies import FORBIDDEN_LINE, not_at_four
from tests.crash.dying import dying
from tests.crash.points import CRASHED, OPERATOR, Side, Step, steps

from fogbell.store.indexes import ensure_indexes
from fogbell_local.processes import Component

Act = Callable[[Component], None]
Scenario = Callable[[Place], tuple[Act, Callable[[], bool]]]
"""Makes ready; what it returns gives the operator something to do, and says whether all is as it
should be.
"""

LATER = "0 3 * * *"
MINUTE = datetime.now(UTC).replace(second=0, microsecond=0)


def scheduled(place: Place) -> tuple[Act, Callable[[], bool]]:
    def goes_on() -> bool:
        """The dead one may have done all of it: so something that only the next one can do."""
        campaign = place.campaign("nightly", schedule=LATER)
        place.until("nightly", "Ready", "True", "Scheduled")
        (cronjob,) = place.kube.find("cronjobs")
        (owner,) = cronjob["metadata"]["ownerReferences"]
        assert owner["uid"] == campaign["metadata"]["uid"]
        return bool(cronjob["spec"]["schedule"] == LATER)

    return lambda _: place.kube.apply(document("nightly")), goes_on


def forbidden(place: Place) -> tuple[Act, Callable[[], bool]]:
    with place.operator() as component:
        component.wait_ready()
        place.campaign("moved")

    def held() -> bool:
        place.until("moved", "Ready", "False", "CronJobRefused")
        return bool(place.cronjob("moved")["spec"]["suspend"])

    return lambda _: place.kube.apply(document("moved", schedule=FORBIDDEN_LINE)), held


def deleted(place: Place) -> tuple[Act, Callable[[], bool]]:
    runs: list[UUID] = []

    def act(component: Component) -> None:
        """It watches a little after it is ready: of a deletion before that only resyncs learn."""
        component.wait_ready()
        for number in range(3):
            name = f"short{number}"
            campaign = place.campaign(name)
            runs.append(place.begin(campaign, place.job(name, MINUTE), pending=3))
            place.kube.delete("campaign", name)
            if _ends(component, 10):
                return

    return act, lambda: all(cancelled(place, run) for run in runs)


def deleted_before(place: Place) -> tuple[Act, Callable[[], bool]]:
    run = uuid4()
    # Or the first cancellation might fail for want of one, and be left to a sweep.
    place.records(ensure_indexes)
    place.store(run, f"{place.kube.namespace}/gone", str(uuid4()), pending=3)
    return lambda _: None, lambda: cancelled(place, run)


def _ends(component: Component, seconds: float) -> bool:
    with contextlib.suppress(AssertionError):
        wait_until("its death", lambda: component.program.exit_status is not None, seconds)
    return component.program.exit_status is not None


def cancelled(place: Place, run: UUID) -> bool:
    """Whether nothing of it is left to be sent."""
    return bool(place.field(run, "cancelled_at")) and place.field(run, "cancelling") is None


SCENARIOS: dict[str, Scenario] = {
    "fogbell_operator.deletions:Deletions._cancel_runs.cancel": deleted,
    "fogbell_operator.deletions:Deletions.compare.cancel": deleted_before,
    "fogbell_operator.reconciling:Reconciler._apply.apply_cronjob": scheduled,
    "fogbell_operator.reconciling:Reconciler._hold.suspend_cronjob": forbidden,
    "fogbell_operator.reconciling:Reconciler._reconcile.apply_status": scheduled,
}


def test_every_step_of_the_operator_has_a_scenario() -> None:
    assert {str(step) for step in steps(OPERATOR)} == SCENARIOS.keys()


@pytest.fixture
def place(kube: Kube, mongo_uri: str, database_name: str, tmp_path: Path) -> Place:
    return Place(kube, mongo_uri, database_name, tmp_path)


@pytest.fixture
def _policy(place: Place, admin: Kube) -> Iterator[None]:
    """The schedule `FORBIDDEN_LINE` is refused in this namespace."""
    with not_at_four(place.kube, admin):
        yield


@pytest.mark.usefixtures("_policy")
@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("step", steps(OPERATOR), ids=str)
def test_the_next_one_finishes_what_one_has_begun(place: Place, step: Step, side: Side) -> None:
    act, finished = SCENARIOS[str(step)](place)
    with place.operator(how=dying(step, side)) as component:
        act(component)
        assert _ends(component, 60), component.program.tail()
        assert component.program.exit_status == CRASHED, component.obituary()
    with place.operator() as component:
        component.wait_ready()
        wait_until("the end", finished, 60)
