"""CronJobs that a cluster's own rules refuse: said as it is, and nothing old goes on firing."""

from pathlib import Path

import pytest
from tests.cluster.campaigns import YEARLY
from tests.cluster.kube import Kube, condition, wait_until
from tests.cluster.operating import Place, document
from tests.cluster.policies import FORBIDDEN_LINE, not_at_four

QUOTA = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "none"},
    "spec": {"hard": {"count/cronjobs.batch": "0"}},
}


@pytest.fixture
def place(kube: Kube, mongo_uri: str, database_name: str, tmp_path: Path) -> Place:
    return Place(kube, mongo_uri, database_name, tmp_path)


def test_a_quota_is_a_refusal_and_not_a_missing_right(place: Place) -> None:
    place.kube.apply(QUOTA)
    wait_until(
        "the quota",
        lambda: (place.kube.get("resourcequota", "none") or {}).get("status", {}).get("hard"),
        30,
    )
    with place.operator() as component:
        component.wait_ready()
        place.kube.apply(document("limited"))
        ready = condition(place.until("limited", "Ready", "False", "CronJobRefused"), "Ready")
    assert "exceeded quota" in ready["message"]


def test_a_change_that_a_policy_forbids_holds_what_stood_before(place: Place, admin: Kube) -> None:
    with place.operator() as component:
        component.wait_ready()
        place.campaign("moved")
        with not_at_four(place.kube, admin):
            place.kube.apply(document("moved", schedule=FORBIDDEN_LINE))
            ready = condition(place.until("moved", "Ready", "False", "CronJobRefused"), "Ready")
            assert "not at four" in ready["message"]
            held = place.cronjob("moved")["spec"]
            assert (held["schedule"], held["suspend"]) == (YEARLY, True)
