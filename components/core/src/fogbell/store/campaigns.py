"""The runs of Campaigns as the operator reads them: a run is a notification with such an origin."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from pymongo.errors import OperationFailure

from fogbell.store.database import Database, Document, store_call
from fogbell.store.indexes import OPEN_RUNS_FILTER, OPEN_RUNS_KEYS

_BAD_VALUE = 2
"""What MongoDB answers to a hint at an index that is not there."""

_TIMES = ("expanded_at", "settled_at", "cancelled_at")
_FIELDS = dict.fromkeys(("created_at", *_TIMES, "expected", "reason", "metadata"), True)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run's notification, without what it says and to whom. Times are UTC."""

    id: UUID
    created_at: datetime
    expanded_at: datetime | None = None
    settled_at: datetime | None = None
    cancelled_at: datetime | None = None
    expected: int | None = None
    reason: str | None = None
    """Why it does not go on: its expansion has failed."""
    scheduled_for: str | None = None
    """Its scheduled time as the runner wrote it; None where somebody made its Job."""
    uid: str | None = None
    """Its Campaign's."""


@store_call
async def runs(db: Database, ids: Iterable[UUID]) -> dict[UUID, RunRecord]:
    """Those of ``ids`` that have a notification."""
    cursor = db.notifications.find({"_id": {"$in": list(ids)}}, _FIELDS)
    return {d["_id"]: _record(d) for d in await cursor.to_list(None)}


def _record(document: Mapping[str, Any]) -> RunRecord:
    return RunRecord(
        id=document["_id"],
        created_at=document["created_at"],
        expected=document.get("expected"),
        reason=document.get("reason"),
        scheduled_for=document.get("metadata", {}).get("scheduled_for"),
        uid=document.get("metadata", {}).get("uid"),
        **{name: document.get(name) for name in _TIMES},
    )


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that goes on: of which Campaign, by name and uid."""

    id: UUID
    campaign: str
    uid: str
    cluster: str | None = None
    """Whose Campaign it is, where that was known: clusters may share a database."""
    replayed: bool = False
    """Whether somebody has put deliveries of it back."""


@store_call
async def open_runs(db: Database, namespace: str) -> list[OpenRun]:
    """Runs of ``namespace``'s Campaigns that are neither settled nor cancelled.

    Read from an index of those that a sweep is to look at, which every one of them is; but for one
    whose expansion was given up, which sends nothing new.
    """
    prefix = f"{namespace}/"
    query: Document = {
        **OPEN_RUNS_FILTER,
        # "0" is what comes after "/".
        "origin.app": {"$gte": prefix, "$lt": f"{namespace}0"},
        "settled_at": {"$exists": False},
        "cancelled_at": {"$exists": False},
        "metadata.uid": {"$exists": True},
    }
    return [
        OpenRun(
            id=document["_id"],
            campaign=document["origin"]["app"].removeprefix(prefix),
            uid=document["metadata"]["uid"],
            cluster=document["metadata"].get("cluster"),
            replayed="replays" in document,
        )
        for document in await _hinted(db, query)
    ]


async def _hinted(db: Database, query: Document) -> Sequence[Mapping[str, Any]]:
    found = partial(db.notifications.find, query, {"origin.app": 1, "metadata": 1, "replays": 1})
    try:
        hinted: Sequence[Mapping[str, Any]] = await found(hint=OPEN_RUNS_KEYS).to_list(None)
    except OperationFailure as error:
        if error.code != _BAD_VALUE:
            raise
        # After an upgrade, while that index is being built: slower, and right.
        hinted = await found().to_list(None)
    return hinted
