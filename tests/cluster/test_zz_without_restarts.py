"""Behind all that users have got wrong: no pod was started anew for it."""

from tests.cluster.installation import Installation
from tests.cluster.kube import Object


def restarts(pod: Object) -> int:
    """How often its containers were started anew."""
    return sum(c["restartCount"] for c in pod["status"].get("containerStatuses", ()))


def test_whatever_was_applied_and_whatever_was_away_no_container_was_restarted(
    installation: Installation,
) -> None:
    pods = installation.kube.find("pods")
    assert {p["metadata"]["name"]: restarts(p) for p in pods if restarts(p)} == {}
