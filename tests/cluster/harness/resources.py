"""Custom resources of a cluster."""

import json
from collections.abc import Callable
from typing import Any

from tests.cluster.harness.running import wait_for
from tests.support.commands import ToolError

ESTABLISHED_SECONDS = 60


def wait_established(kubectl: Callable[..., str], *names: str) -> None:
    """Return once custom resources, all that there are or those of ``names``, can be used.

    'kubectl wait' gives up at once where one is so new that it has no conditions. Raises
    `ToolError`, and what ``kubectl`` raises.
    """
    missing: list[str] = []

    def established() -> bool:
        found = json.loads(kubectl("get", "crd", *names, "--output=json"))
        resources = found.get("items", [found])
        missing[:] = [r["metadata"]["name"] for r in resources if not _is_established(r)]
        return not missing

    try:
        wait_for("custom resources that can be used", established, ESTABLISHED_SECONDS)
    except ToolError as error:
        raise ToolError(f"{error}: {', '.join(missing)}") from error


def _is_established(resource: dict[str, Any]) -> bool:
    conditions = (resource.get("status") or {}).get("conditions") or ()
    return any((c["type"], c["status"]) == ("Established", "True") for c in conditions)
