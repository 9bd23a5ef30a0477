"""What holds once all is at rest, whatever went wrong before. Pure: values in, violations out.

Three witnesses are held against each other: MongoDB's records, the sink's own ledger, and what the
client knows, which is what was answered with 202.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from itertools import pairwise
from uuid import UUID

from tests.support.account import Record, inconsistencies, is_sent, most_copies

from fogbell.model.status import SETTLED, Channel, DeliveryStatus
from fogbell_local.sink import Entry, Outcome
from fogbell_local.sink.webhook import RETRY_AFTER_SECONDS

EARLY = timedelta(milliseconds=50)
"""By so much a send may seem to come before its time: MongoDB's clock and the ledger's are read
one after the other."""

LATE = timedelta(seconds=1)
LOST_ALONE = 3
"""Leases that a delivery loses by itself until it is given up (``lost_leases_limit``)."""

RETRY_AFTER = timedelta(seconds=RETRY_AFTER_SECONDS)
UUID_LENGTH = 36
_EVIDENCE = 12


class Rule(StrEnum):
    """What was broken. The first five: something accepted is lost."""

    MISSING = "missing"
    UNSETTLED = "unsettled"
    NOT_ARRIVED = "not-arrived"
    NOT_ACCEPTED = "not-accepted"
    GIVEN_UP = "given-up-without-cause"
    INCONSISTENT = "inconsistent"
    STRAY = "stray"
    UNASKED = "unasked"
    EARLY = "early"
    AFTER_CANCELLATION = "after-cancellation"
    COPIES = "copies"
    CHANGED = "changed-after-settled"
    TOTALS = "totals"
    QUEUE = "queue"


LOST = frozenset(list(Rule)[:5])


@dataclass(frozen=True, slots=True)
class Posted:
    """What a client knows of one notification that was accepted.

    ``deliveries`` must exist; of one that was ``cancelled`` some may not. ``not_before``: nothing
    of it may be sent earlier. ``replays``: how often it was asked for at most.
    """

    id: UUID
    deliveries: frozenset[UUID]
    not_before: datetime | None = None
    cancelled: bool = False
    replays: int = 0


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that one delivery, notification or queue breaks, with all that is known of it."""

    rule: Rule
    what: str
    evidence: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join([f"{self.rule}: {self.what}", *(f"    {line}" for line in self.evidence)])


@dataclass(frozen=True)
class Reckoning:
    """Everything there is at rest.

    ``attempted``: ids that were posted at least once. ``witnessed``: settled records as they were
    seen before, which only a replay may have changed. ``queues``: messages left, by queue.
    ``longest_claim``: how long a claim may last.
    """

    attempted: Set[UUID]
    posted: Mapping[UUID, Posted]
    notifications: Mapping[UUID, Record]
    records: Mapping[UUID, Record]
    ledger: Sequence[Entry]
    longest_claim: timedelta
    witnessed: Mapping[UUID, Record] = field(default_factory=dict)
    queues: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def _arrived(self) -> Mapping[str, list[Entry]]:
        found: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.ledger:
            found[entry.delivery[:UUID_LENGTH]].append(entry)
        return found

    @cached_property
    def _of_notification(self) -> Mapping[UUID, list[UUID]]:
        found: dict[UUID, list[UUID]] = defaultdict(list)
        for id_, record in self.records.items():
            found[record["notification_id"]].append(id_)
        return found

    @property
    def duplicates(self) -> int:
        """Accepted copies beyond the first of each delivery, and of each replay of it."""
        accepted = [e.delivery for e in self.ledger if e.outcome is Outcome.ACCEPTED]
        return len(accepted) - len(set(accepted))

    def violations(self) -> Iterator[Violation]:
        """Every rule that is broken."""
        for id_ in sorted(self.attempted - self.posted.keys()):
            yield Violation(Rule.NOT_ACCEPTED, f"notification {id_} was never answered with 202")
        for posted in self.posted.values():
            yield from self._of_posted(posted)
        for id_, record in self.records.items():
            yield from self._of_record(id_, record)
        yield from self._strays()
        yield from self._unasked()
        for queue, messages in self.queues.items():
            if messages:
                yield Violation(Rule.QUEUE, f"{queue} still holds {messages} messages")

    def _of_posted(self, posted: Posted) -> Iterator[Violation]:
        found, stored = self._of_notification.get(posted.id, []), self.notifications.get(posted.id)
        missing = posted.deliveries - set(found)
        if stored is None or (missing and not posted.cancelled):
            what = "all" if stored is None else f"{len(missing)} deliveries"
            named = tuple(map(str, sorted(missing)[:_EVIDENCE]))
            yield Violation(Rule.MISSING, f"{what} of notification {posted.id}", named)
        if more := set(found) - posted.deliveries:
            named = tuple(map(str, sorted(more)[:_EVIDENCE]))
            yield Violation(Rule.UNASKED, f"{len(more)} deliveries of {posted.id}", named)
        if stored is not None:
            yield from self._of_notification_record(stored, found)

    def _of_notification_record(self, stored: Record, found: Sequence[UUID]) -> Iterator[Violation]:
        id_ = stored["_id"]
        if not stored.get("settled_at"):
            yield Violation(Rule.UNSETTLED, f"notification {id_}", (str(dict(stored)),))
            return
        counted = Counter(self.records[each]["status"] for each in found)
        told: Counter[str] = Counter()
        for statuses in stored["frozen"].values():
            told.update(statuses)
        if +told != counted or stored.get("expected") != len(found):
            what = f"notification {id_} says {dict(told)} of {stored.get('expected')}"
            yield Violation(Rule.TOTALS, what, (f"counted: {dict(counted)} of {len(found)}",))

    def _of_record(self, id_: UUID, record: Record) -> Iterator[Violation]:
        entries = self._arrived.get(str(id_), [])
        evidence = _told(record, entries)
        if wrong := "; ".join(inconsistencies(id_, record)):
            settled = DeliveryStatus(record["status"]) in SETTLED
            yield Violation(Rule.INCONSISTENT if settled else Rule.UNSETTLED, wrong, evidence)
        broken = (
            (Rule.NOT_ARRIVED, self._is_not_arrived(id_, record)),
            (Rule.GIVEN_UP, self._is_given_up(record, entries)),
            (Rule.COPIES, _accepted(entries) > most_copies(record)),
            (Rule.EARLY, self._is_early(record, entries)),
            (Rule.AFTER_CANCELLATION, self._is_after_cancellation(record, entries)),
            (Rule.CHANGED, self._has_changed(id_, record)),
        )
        yield from (Violation(rule, f"delivery {id_}", evidence) for rule, holds in broken if holds)

    def _is_not_arrived(self, id_: UUID, record: Record) -> bool:
        """Delivered, by the record, and the sink knows nothing of it, or not of its last replay."""
        if not is_sent(record):
            return False
        replay = record.get("replays", 0)
        # A text carries no id, and so no number of a replay.
        key = f"{id_}-{replay}" if replay and record["channel"] != Channel.SMS else str(id_)
        own = [e for e in self._arrived.get(str(id_), ()) if e.delivery == key]
        return not _accepted(own)

    def _is_given_up(self, record: Record, entries: Iterable[Entry]) -> bool:
        """Settled without delivery, and neither the sender nor the provider has asked for that."""
        match record["status"]:
            case DeliveryStatus.CANCELLED:
                posted = self.posted.get(record["notification_id"])
                return posted is None or not posted.cancelled
            case DeliveryStatus.SKIPPED:
                return record.get("reason") is None
            case DeliveryStatus.DEAD:
                return not _has_cause(record, entries)
        return False

    def _is_early(self, record: Record, entries: Sequence[Entry]) -> bool:
        posted = self.posted.get(record["notification_id"])
        not_before = posted.not_before if posted else None
        if not_before and any(entry.at < not_before - EARLY for entry in entries):
            return True
        return _is_impatient(record, entries)

    def _is_after_cancellation(self, record: Record, entries: Iterable[Entry]) -> bool:
        """Sent so late that the claim cannot be from before, by somebody who had not lost it."""
        cancelled_at = self.notifications.get(record["notification_id"], {}).get("cancelled_at")
        if cancelled_at is None or record.get("lost_leases", 0):
            return False
        last = cancelled_at + self.longest_claim + LATE
        return any(entry.at > last for entry in entries)

    def _has_changed(self, id_: UUID, record: Record) -> bool:
        before = self.witnessed.get(id_)
        if before is None or before.get("replays", 0) != record.get("replays", 0):
            return False
        return any(before.get(name) != record.get(name) for name in ("status", "settled_at"))

    def _strays(self) -> Iterator[Violation]:
        known = {str(id_) for id_ in self.records}
        for id_ in sorted(self._arrived.keys() - known):
            lines = tuple(map(_line, self._arrived[id_][:_EVIDENCE]))
            what = f"{id_ or '(without an id)'} is in the ledger and has no record"
            yield Violation(Rule.STRAY, what, lines)

    def _unasked(self) -> Iterator[Violation]:
        for id_ in sorted(self.notifications.keys() - self.attempted):
            yield Violation(Rule.UNASKED, f"notification {id_} was never posted")
        for id_, posted in self.posted.items():
            replays = self.notifications.get(id_, {}).get("replays", 0)
            if replays > posted.replays:
                what = f"{id_} was replayed {replays} times, and asked for {posted.replays}"
                yield Violation(Rule.UNASKED, what)


def _has_cause(record: Record, entries: Iterable[Entry]) -> bool:
    """Why it is dead: a refusal that the provider remembers, an answer that never came, tries that
    are used up, or leases that are.
    """
    last = next((a["outcome"] for a in reversed(record.get("attempts", ()))), None)
    match record.get("reason"):
        case "lost_leases":
            return bool(record.get("lost_alone", 0) >= LOST_ALONE)
        case "ambiguous":
            return bool(last == "ambiguous")
        case "attempts_exhausted":
            return last in ("transient", "ambiguous")
    return last == "permanent" and any(entry.outcome is Outcome.REFUSED for entry in entries)


def _is_impatient(record: Record, entries: Sequence[Entry]) -> bool:
    """Tried again before the receiver of webhooks wanted to be asked again.

    Only where the record knows of every try: an answer that nobody has read asks for nothing.
    """
    if record["channel"] != Channel.WEBHOOK or most_copies(record) > is_sent(record):
        return False
    return any(
        first.outcome is Outcome.REFUSED and then.at < first.at + RETRY_AFTER - EARLY
        for first, then in pairwise(entries)
    )


def _accepted(entries: Iterable[Entry]) -> int:
    return sum(entry.outcome is Outcome.ACCEPTED for entry in entries)


def _told(record: Record, entries: Iterable[Entry]) -> tuple[str, ...]:
    plain = {k: v for k, v in record.items() if k not in ("attempts", "inline")}
    attempts = [f"attempt {attempt}" for attempt in record.get("attempts", ())]
    return (str(plain), *attempts, *map(_line, entries))


def _line(entry: Entry) -> str:
    return f"ledger {entry.to_line().decode().strip()}"
