"""Custom resources of a cluster."""

import json
from collections.abc import Callable

from tests.cluster.harness.running import wait_for
from tests.cluster.kube import condition, names

ESTABLISHED_SECONDS = 60


def wait_established(kubectl: Callable[..., str], *wanted: str) -> None:
    """Return once custom resources, all that there are or those of ``wanted``, can be used.

    'kubectl wait' gives up at once where one is so new that it has no conditions. Raises
    `ToolError`, and what ``kubectl`` raises.
    """

    def missing() -> list[str]:
        found = json.loads(kubectl("get", "crd", *wanted, "--output=json"))
        resources = found.get("items", [found])
        return names(r for r in resources if condition(r, "Established").get("status") != "True")

    what = "custom resources that can be used"
    wait_for(what, lambda: not missing(), ESTABLISHED_SECONDS, lambda: ", ".join(missing()))
