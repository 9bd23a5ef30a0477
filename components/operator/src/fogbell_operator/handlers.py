"""What kopf is for: it watches, and what it hears wakes a reconcile up. kopf stays in here.

Only ``on.event`` handlers: kopf then writes nothing to any object, neither an annotation (it would
keep a copy of the spec there) nor a finalizer.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import kopf

from fogbell.model.campaign import API_GROUP, API_VERSION, PLURAL
from fogbell_operator import resources
from fogbell_operator.cronjobs import FIELD_MANAGER
from fogbell_operator.resources import LABEL_CAMPAIGN, Campaign

PREFIX = "operator.fogbell.dev"
"""Of whatever kopf might write: nothing today, and never under its own name."""

BACKOFFS = (1, 2, 4, 8)
"""Seconds between tries of a request that is refused; then kopf gives up."""

OURS = f"app.kubernetes.io/managed-by={FIELD_MANAGER}"

RAW = (("batch", "v1", "cronjobs"), ("batch", "v1", "jobs"))


def registry(
    wake: Callable[[str], object], deleted: Callable[[Campaign], None]
) -> kopf.OperatorRegistry:
    """Handlers that ``wake`` a Campaign by its name, and tell of one that was ``deleted``."""
    handlers = kopf.OperatorRegistry()

    async def log_in(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    async def campaign_changed(event: kopf.RawEvent, **_: Any) -> None:
        campaign = resources.campaign(event["object"])
        if event["type"] == "DELETED" or campaign.deleting:
            deleted(campaign)
        wake(campaign.name)

    async def part_changed(event: kopf.RawEvent, **_: Any) -> None:
        labels = event["object"]["metadata"].get("labels") or {}
        if LABEL_CAMPAIGN in labels:
            wake(labels[LABEL_CAMPAIGN])

    kopf.on.login(registry=handlers)(log_in)
    kopf.on.event(API_GROUP, API_VERSION, PLURAL, registry=handlers)(campaign_changed)
    for part in RAW:
        kopf.on.event(*part, registry=handlers)(part_changed)
    return handlers


def settings() -> kopf.OperatorSettings:
    """kopf with everything left out that is not watching."""
    chosen = kopf.OperatorSettings()
    chosen.posting.enabled = False
    chosen.scanning.disabled = True
    chosen.peering.standalone = True
    chosen.persistence.finalizer = f"{PREFIX}/finalizer"
    chosen.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=PREFIX)
    chosen.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=PREFIX)
    # A watch that is forbidden ends the process soon, not after a minute; an API server that
    # cannot be reached is waited for all the same.
    chosen.networking.error_backoffs = BACKOFFS
    # An end that takes too long is the kubelet's to cut short. kopf would send SIGKILL to whatever
    # runs in its thread ten minutes later, also where the operator has long ended.
    chosen.process.ultimate_exiting_timeout = None
    # Filtered by the API server, not here: a namespace may have many Jobs of others.
    for part in RAW:
        chosen.watching.label_selectors[part] = OURS
    return chosen


async def watch(
    handlers: kopf.OperatorRegistry,
    namespace: str,
    stop: asyncio.Event,
    watching: Callable[[], None],
) -> None:
    """Watch until ``stop``. Raises what kopf cannot go on from.

    It takes the signals for itself, so that it is not told first of an end: ``watching`` is called
    once it has them, to take them back.
    """
    others = asyncio.all_tasks()
    # Given none, kopf asks for the user's name, which a user without an entry has not. Its type
    # is not public.
    identity: Any = FIELD_MANAGER
    tasks = await kopf.spawn_tasks(
        registry=handlers,
        settings=settings(),
        identity=identity,
        namespaces=[namespace],
        standalone=True,
        stop_flag=stop,
    )
    watching()
    await kopf.run_tasks(tasks, ignored=others)
