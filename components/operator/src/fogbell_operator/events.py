"""Kubernetes Events: what has changed about a Campaign since its status was written. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fogbell.model.campaign import API_GROUP, API_VERSION, KIND
from fogbell_operator.conditions import (
    COMPLETE,
    FAILED,
    FALSE,
    LAST_RUN,
    MISSED,
    NOBODY_MEANT,
    READY,
    REFUSED,
    SHUT_OUT,
    Condition,
    previous,
)
from fogbell_operator.resources import Campaign, Json, instant

COMPONENT = "fogbell-operator"
LONGEST_NOTE = 1_000
"""Characters of an Event's message; Kubernetes takes 1,024."""

_EXPECTED = frozenset({"NotSuspended", "NoRun", "Waiting"})
"""What a new Campaign begins with: worth no Event."""

_TROUBLE = frozenset({"SettledWithDead", NOBODY_MEANT, MISSED, REFUSED, FAILED, SHUT_OUT})


@dataclass(frozen=True, slots=True)
class Happening:
    """One Event to be."""

    reason: str
    message: str
    warning: bool


def happenings(
    campaign: Campaign, conditions: Sequence[Condition], last_run: Json | None
) -> Iterator[Happening]:
    """One for each condition whose status or reason is another, or that speaks of another run."""
    before = previous(campaign)
    ended = {c.message for c in conditions if c.type == COMPLETE}
    another_run = _run(campaign.status.get("lastRun")) != _run(last_run)
    for condition in conditions:
        was = before.get(condition.type)
        if was is None and condition.reason in _EXPECTED:
            continue
        if condition.type == READY and condition.message in ended:
            continue  # said by the other condition already
        moved = was is None or (was.status, was.reason) != (condition.status, condition.reason)
        if moved or (another_run and condition.type == LAST_RUN):
            yield Happening(condition.reason, condition.message, _warns(condition))


def _run(last_run: Mapping[str, Any] | None) -> object:
    return (last_run or {}).get("id")


def _warns(condition: Condition) -> bool:
    """Where somebody should look: not being suspended or complete is no trouble."""
    trouble = condition.type in (READY, LAST_RUN) and condition.status == FALSE
    return trouble or condition.reason in _TROUBLE


def build_event(
    campaign: Campaign, happening: Happening, name: str, instance: str, now: datetime
) -> dict[str, Any]:
    """The Event to create; ``name`` has to be new."""
    time = instant(now)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": campaign.namespace},
        "involvedObject": {
            "apiVersion": f"{API_GROUP}/{API_VERSION}",
            "kind": KIND,
            "namespace": campaign.namespace,
            "name": campaign.name,
            "uid": campaign.uid,
        },
        "reason": happening.reason,
        "message": happening.message[:LONGEST_NOTE],
        "type": "Warning" if happening.warning else "Normal",
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "reportingInstance": instance,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }
