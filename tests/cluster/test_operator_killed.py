"""The operator killed in the middle of its work: the next one finishes what it finds half-done."""

import os
import queue
import signal
from contextlib import AbstractContextManager
from pathlib import Path

from tests.cluster.kube import Kube, Object, condition, wait_until
from tests.cluster.operating import Place, document

from fogbell_local.processes import Component

CAMPAIGNS = [f"campaign-{number:03d}" for number in range(120)]
KILLED = 3


def changes(kube: Kube) -> AbstractContextManager["queue.Queue[str]"]:
    """A line each time a CronJob is made or changed, as soon as it is."""
    return kube.lines("get", "cronjobs", "--watch-only", "--no-headers")


def finished(place: Place) -> list[str]:
    """Campaigns whose status says that they are scheduled."""
    found: list[Object] = place.kube.find("campaigns")
    return [
        c["metadata"]["name"] for c in found if condition(c, "Ready").get("reason") == "Scheduled"
    ]


def kill(component: Component) -> None:
    """SIGKILL, and wait for the end."""
    os.kill(component.program.pid, signal.SIGKILL)
    wait_until("its end", lambda: component.program.exit_status is not None, 10)


def test_an_operator_killed_while_it_reconciles_is_followed_by_one_that_finishes(
    kube: Kube, mongo_uri: str, database_name: str, tmp_path: Path
) -> None:
    place = Place(kube, mongo_uri, database_name, tmp_path)
    kube.apply(*(document(name) for name in CAMPAIGNS))
    for _ in range(KILLED):
        # A watch of its own: what the one before had done is no work of this one.
        with changes(kube) as lines, place.operator() as component:
            lines.get(timeout=60)
            kill(component)
        assert len(finished(place)) < len(CAMPAIGNS), "it was not in the middle of anything"
    with place.operator() as component:
        component.wait_ready()
        wait_until("all of them", lambda: len(finished(place)) == len(CAMPAIGNS), 60)
    owners = [o["uid"] for c in kube.find("cronjobs") for o in c["metadata"]["ownerReferences"]]
    assert sorted(owners) == sorted(c["metadata"]["uid"] for c in kube.find("campaigns"))
