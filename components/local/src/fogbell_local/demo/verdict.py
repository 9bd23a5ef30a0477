"""Holding MongoDB's records against the provider's own ledger. Pure.

The two are written by different processes, one of which was killed: what they agree on happened.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from fogbell.model.status import Channel, DeliveryStatus
from fogbell_local.sink.ledger import Entry, Outcome

_LISTED = 20


@dataclass(frozen=True, slots=True)
class Record:
    """What MongoDB says of one delivery.

    ``in_inbox`` is whether its item is stored, for channel ``inbox``; the ledger speaks for the
    other channels. ``provider`` is the one that took it, by the record's last attempt.
    """

    id: UUID
    channel: Channel
    status: DeliveryStatus
    lost_leases: int = 0
    in_inbox: bool = False
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run ended. ``delivered`` counts what both sides agree on, so that without faults
    expected = delivered + dead + outstanding + lost.

    ``faults`` says what should not be, a sentence each: of one delivery, or of several.
    """

    expected: int
    delivered: int
    dead: int
    outstanding: int
    lost: int
    duplicates: int
    faults: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Nothing lost, nothing outstanding, every duplicate explained."""
        return not self.faults and self.lost == 0 and self.outstanding == 0

    def line(self) -> str:
        """What the demo prints last."""
        return (
            f"fogbell demo: expected={self.expected} delivered={self.delivered} dead={self.dead}"
            f" outstanding={self.outstanding} lost={self.lost} duplicates={self.duplicates}"
        )


def compare(
    expected: Collection[UUID], records: Iterable[Record], ledger: Iterable[Entry]
) -> Verdict:
    """Hold ``records`` and ``ledger`` against the ids that must exist and against each other.

    Lost is: an expected delivery without a record; one recorded as delivered that never arrived;
    one that was given up without an attempt although it could be sent; and what arrived without
    any record of it. Who is recorded to have taken it must be who says so, where providers are
    told apart. A duplicate is a second accepted copy, allowed only for a delivery whose
    record says that a lease of it was lost.
    """
    known = {record.id: record for record in records}
    ledger = list(ledger)
    accepted = Counter(e.delivery for e in ledger if e.outcome is Outcome.ACCEPTED)
    wanted = set(expected)
    judged = Counter(_judge(known.get(id_), accepted) for id_ in wanted)
    faults = [*_faults(wanted, known, accepted), *_mistaken(known, ledger)]
    return Verdict(
        expected=len(wanted),
        delivered=judged["delivered"],
        dead=judged["dead"],
        outstanding=judged["outstanding"],
        lost=sum(judged[why] for why in _LOST) + len(_strays(known, accepted)),
        duplicates=sum(accepted.values()) - len(accepted),
        faults=tuple(faults[:_LISTED]),
    )


_LOST = {
    "missing": "was expected and has no record",
    "not_arrived": "is recorded as delivered and never arrived",
    "not_tried": "was settled without an attempt",
}


def _judge(record: Record | None, accepted: Mapping[str, int]) -> str:
    if record is None:
        return "missing"
    if not record.status.settled:
        return "outstanding"
    if record.status is DeliveryStatus.DEAD:
        return "dead"
    if record.status is not DeliveryStatus.DELIVERED:
        return "not_tried"
    return "delivered" if _arrived(record, accepted) else "not_arrived"


def _arrived(record: Record, accepted: Mapping[str, int]) -> bool:
    if record.channel is Channel.INBOX:
        return record.in_inbox
    return accepted.get(str(record.id), 0) > 0


def _strays(known: Mapping[UUID, Record], accepted: Mapping[str, int]) -> list[str]:
    """What arrived and no record speaks of."""
    ids = {str(id_) for id_ in known}
    return sorted(id_ for id_ in accepted if id_ not in ids)


def _faults(
    wanted: set[UUID], known: Mapping[UUID, Record], accepted: Mapping[str, int]
) -> Iterator[str]:
    for id_ in sorted(wanted):
        why = _LOST.get(_judge(known.get(id_), accepted))
        if why:
            yield f"delivery {id_} {why}"
    for stray in _strays(known, accepted):
        yield f"delivery {stray or '(without an id)'} arrived and has no record"
    for id_ in sorted(known.keys() - wanted):
        yield f"delivery {id_} has a record and was not expected"
    for id_, record in sorted(known.items()):
        copies = accepted.get(str(id_), 0)
        if copies > 1 and not record.lost_leases:
            yield f"delivery {id_} arrived {copies} times and lost no lease"


def _mistaken(known: Mapping[UUID, Record], ledger: Iterable[Entry]) -> Iterator[str]:
    """Deliveries that arrived, but not at the provider of their record."""
    takers: dict[str, set[str]] = {}
    for entry in ledger:
        if entry.provider is not None and entry.outcome is Outcome.ACCEPTED:
            takers.setdefault(entry.delivery, set()).add(entry.provider)
    for id_, record in sorted(known.items()):
        at = takers.get(str(id_))
        delivered = record.status is DeliveryStatus.DELIVERED
        if at and delivered and record.provider not in at:
            yield f"delivery {id_} arrived at {', '.join(sorted(at))}, not at {record.provider}"
