"""Writing down what came of a claim (protocol step 5): one unordered bulk, fenced by the owner.

A record that finds another owner changes nothing: it is counted as lost. Only a late *accepted*
may still turn a delivery whose lease has expired into delivered, which saves a duplicate.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from pymongo import UpdateMany, UpdateOne

from fogbell.model.delivery import Claimed
from fogbell.model.outcome import Attempt, Outcome
from fogbell.model.status import Cause, DeliveryStatus, transition
from fogbell.policy import Verdict
from fogbell.store.claims import ONE_CLAIM_MORE, fence, milliseconds
from fogbell.store.database import Database, Document, store_call

ATTEMPTS_KEPT = 25
"""How many attempts a delivery keeps; the oldest go first."""

_DETAIL_LENGTH = 200

_Change = tuple[Document, tuple[str, ...]]
"""The fields that a record sets, and those that it takes away."""


@dataclass(frozen=True, slots=True)
class Record:
    """What happened to one claimed delivery; without an attempt: settled, or released unsent."""

    delivery: Claimed
    verdict: Verdict
    attempt: Attempt | None = None

    @property
    def status(self) -> DeliveryStatus:
        """Where the delivery stands after it."""
        return transition(DeliveryStatus.SENDING, self.verdict.cause)


@dataclass(frozen=True, slots=True)
class Recorded:
    """How a bulk of records ended: ids whose claim was lost, and of those, accepted after all."""

    lost: frozenset[UUID] = frozenset()
    late: frozenset[UUID] = frozenset()


@store_call
async def record(db: Database, records: Sequence[Record]) -> Recorded:
    """Apply ``records``; safe to repeat after an error, since each is a compare-and-set."""
    accepted, others = _split(records)
    updates: list[UpdateMany | UpdateOne] = [_accepted_update(g) for g in _alike(accepted)]
    updates += [_single_update(entry) for entry in others]
    if not updates:
        return Recorded()
    result = await db.deliveries.bulk_write(updates, ordered=False)
    if result.matched_count == len(records):
        return Recorded()
    return await _look_closer(db, records)


def _split(records: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    accepted = [r for r in records if r.verdict.cause is Cause.ACCEPTED]
    return accepted, [r for r in records if r.verdict.cause is not Cause.ACCEPTED]


def _alike(records: Iterable[Record]) -> Iterable[list[Record]]:
    """Accepted records that one update can write: same claim, provider and codes.

    What another provider had refused before has a history of its own, and an update of its own.
    """
    groups: dict[tuple[object, ...], list[Record]] = defaultdict(list)
    for entry in records:
        attempt = entry.attempt
        assert attempt is not None
        reply = attempt.reply
        own = entry.delivery.id if attempt.earlier else None
        key = (entry.delivery.token, attempt.provider, reply.code, reply.enhanced_code, own)
        groups[key].append(entry)
    return groups.values()


def _accepted_update(group: Sequence[Record]) -> UpdateMany:
    """One update for a group: its attempts share the span from first start to last finish."""
    attempts = [entry.attempt for entry in group if entry.attempt]
    shared = Attempt(
        provider=attempts[0].provider,
        started_at=min(a.started_at for a in attempts),
        finished_at=max(a.finished_at for a in attempts),
        reply=attempts[0].reply,
        earlier=attempts[0].earlier,
    )
    first = group[0].delivery
    change = _settled(DeliveryStatus.DELIVERED, None, shared, detail=len(group) == 1)
    return UpdateMany(
        {"_id": {"$in": [entry.delivery.id for entry in group]}, **_fence(first)},
        _pipeline(first, change),
    )


def _single_update(entry: Record) -> UpdateOne:
    query = {"_id": entry.delivery.id, **_fence(entry.delivery)}
    return UpdateOne(query, _pipeline(entry.delivery, _change(entry)))


def _change(entry: Record) -> _Change:
    verdict = entry.verdict
    if verdict.cause is Cause.RETRY_LATER:
        return _failed(entry)
    if verdict.cause is Cause.RELEASE:
        return _released(verdict)
    return _settled(entry.status, verdict.reason, entry.attempt)


def _fence(delivery: Claimed) -> Document:
    return fence(delivery.token, chunked=delivery.chunked)


def _pipeline(delivery: Claimed, change: _Change) -> list[Document]:
    """Under a chunk's lease it writes as well what a claim of its own would have written."""
    fields, unset = change
    if delivery.chunked:
        fields = fields | {"owner": {"$literal": delivery.token}, "claims": ONE_CLAIM_MORE}
        unset = (*unset, "chunk")
    return [{"$set": fields}, {"$unset": list(unset)}]


def _settled(
    status: DeliveryStatus, reason: str | None, attempt: Attempt | None, *, detail: bool = True
) -> _Change:
    fields: Document = {"status": status.value, "settled_at": "$$NOW"}
    unset: tuple[str, ...] = ("sweep_at", "not_before", "alone", "releases", "doubtful")
    if reason is None:
        unset = (*unset, "reason")
    else:
        fields["reason"] = {"$literal": reason}
    if attempt is not None:
        fields |= counted_attempt(attempt, detail=detail)
    return fields, unset


def _failed(entry: Record) -> _Change:
    verdict, attempt = entry.verdict, entry.attempt
    assert attempt is not None
    doubtful = attempt.reply.outcome is Outcome.AMBIGUOUS
    fields: Document = {
        "status": DeliveryStatus.FAILED.value,
        **_later(verdict),
        "doubtful": {"$literal": attempt.provider} if doubtful else "$$REMOVE",
        **counted_attempt(attempt),
    }
    return fields, ("alone", "releases")


def _released(verdict: Verdict) -> _Change:
    """Pending again, not before its time. The owner stays: this write may come twice."""
    return {"status": DeliveryStatus.PENDING.value, **_later(verdict)}, ("alone", "releases")


def _later(verdict: Verdict) -> Document:
    assert verdict.delay is not None
    due = {"$add": ["$$NOW", milliseconds(timedelta(seconds=verdict.delay))]}
    return {"reason": {"$literal": verdict.reason}, "not_before": due, "sweep_at": due}


def counted_attempt(attempt: Attempt, *, detail: bool = True) -> Document:
    """The fields that add ``attempt``, and those before it, to the history; to the budget one."""
    tries = [*attempt.earlier, attempt]
    entries = [_entry(each, detail=detail) for each in tries]
    return {"attempt_count": {"$add": ["$attempt_count", 1]}, **appended(*entries)}


def _entry(attempt: Attempt, *, detail: bool) -> Document:
    reply = attempt.reply
    return {
        "provider": attempt.provider,
        "started_at": attempt.started_at,
        "finished_at": attempt.finished_at,
        "outcome": reply.outcome.value,
        "code": reply.code,
        "enhanced_code": reply.enhanced_code,
        "detail": (reply.detail or "")[:_DETAIL_LENGTH] or None if detail else None,
    }


def appended(*entries: Mapping[str, Any]) -> Document:
    """The fields that append ``entries`` to ``attempts``, numbered, keeping the newest.

    Values are literals: a provider's text may start with a dollar sign.
    """
    numbered = [
        {
            "number": _tries(number),
            **{k: {"$literal": v} for k, v in entry.items() if v is not None},
        }
        for number, entry in enumerate(entries, 1)
    ]
    history = {"$concatArrays": [{"$ifNull": ["$attempts", []]}, numbered]}
    return {"tries": _tries(len(entries)), "attempts": {"$slice": [history, -ATTEMPTS_KEPT]}}


def _tries(more: int) -> Document:
    return {"$add": [{"$ifNull": ["$tries", 0]}, more]}


async def _look_closer(db: Database, records: Sequence[Record]) -> Recorded:
    """Some matched nothing: written before by this very bulk, or another's by now."""
    ids = [entry.delivery.id for entry in records]
    cursor = db.deliveries.find({"_id": {"$in": ids}}, {"owner": True, "status": True})
    stored = {d["_id"]: (d.get("owner"), d["status"]) for d in await cursor.to_list(None)}
    lost = [
        entry
        for entry in records
        if stored.get(entry.delivery.id) != (entry.delivery.token, entry.status.value)
    ]
    late = [e for e in lost if e.verdict.cause is Cause.ACCEPTED and await _accept_late(db, e)]
    return Recorded(
        lost=frozenset(e.delivery.id for e in lost), late=frozenset(e.delivery.id for e in late)
    )


async def _accept_late(db: Database, entry: Record) -> bool:
    assert entry.attempt is not None
    token = entry.delivery.token
    fields, unset = _settled(DeliveryStatus.DELIVERED, None, entry.attempt)
    # It owns the record again, or the same bulk sent twice would count a loss.
    result = await db.deliveries.update_one(
        {
            "_id": entry.delivery.id,
            "status": DeliveryStatus.FAILED.value,
            "lost_owner": token,
        },
        [{"$set": fields | {"owner": {"$literal": token}}}, {"$unset": list(unset)}],
    )
    return bool(result.modified_count)
