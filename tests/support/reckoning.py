"""What holds once all is at rest, whatever went wrong before. Pure: values in, violations out.

Three witnesses are held against each other: MongoDB's records, the sink's own ledger, and what the
client knows, which is what was answered with 202.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from uuid import UUID

from tests.support.account import Record, inconsistencies, is_sent, most_copies
from tests.support.causes import (
    EARLY,
    accepted,
    has_arrived,
    has_cause,
    is_impatient,
    is_suppressed,
    was_selected,
)
from tests.support.rules import Posted, Rule, Violation

from fogbell.model.status import SETTLED, DeliveryStatus
from fogbell_local.sink import Entry, Outcome

LATE = timedelta(seconds=1)
UUID_LENGTH = 36
_EVIDENCE = 12


@dataclass(frozen=True)
class Reckoning:
    """Everything there is at rest.

    ``attempted``: ids that were posted at least once. ``witnessed``: settled records as they were
    seen before, which only a replay may have changed. ``queues``: messages left, by queue.
    ``longest_claim``: how long a claim may last. ``tries``: after how many a delivery is given up.
    """

    attempted: Set[UUID]
    posted: Mapping[UUID, Posted]
    notifications: Mapping[UUID, Record]
    records: Mapping[UUID, Record]
    ledger: Sequence[Entry]
    longest_claim: timedelta
    tries: int
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
        keys = [e.delivery for e in self.ledger if e.outcome is Outcome.ACCEPTED]
        return len(keys) - len(set(keys))

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
        if stored is None or (missing and not (posted.cancelled and posted.expanded)):
            what = "all" if stored is None else f"{len(missing)} deliveries"
            named = tuple(map(str, sorted(missing)[:_EVIDENCE]))
            yield Violation(Rule.MISSING, f"{what} of notification {posted.id}", named)
        if more := set(found) - posted.deliveries:
            named = tuple(map(str, sorted(more)[:_EVIDENCE]))
            yield Violation(Rule.UNASKED, f"{len(more)} deliveries of {posted.id}", named)
        if stored is not None:
            yield from self._of_notification_record(stored, found)
            yield from self._of_replays(posted, stored.get("replays", 0), found)

    def _of_replays(
        self, posted: Posted, replays: int, found: Sequence[UUID]
    ) -> Iterator[Violation]:
        """A replay that was answered with yes is stored, and has put back all that it selected."""
        if replays < posted.replayed:
            what = f"notification {posted.id}: {posted.replayed} replays were answered"
            yield Violation(Rule.NOT_REPLAYED, f"{what}, and {replays} are stored")
        if posted.cancelled or not posted.replays:
            return
        for id_ in found:
            record = self.records[id_]
            if was_selected(record) and record.get("replays", 0) < replays:
                evidence = _told(record, self._arrived.get(str(id_), []))
                yield Violation(Rule.NOT_REPLAYED, f"delivery {id_}", evidence)

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
            (Rule.NOT_ARRIVED, is_sent(record) and not has_arrived(record, entries)),
            (Rule.GIVEN_UP, self._is_given_up(record, entries)),
            (Rule.COPIES, accepted(entries) > most_copies(record)),
            (Rule.EARLY, self._is_early(record, entries)),
            (Rule.AFTER_CANCELLATION, self._is_after_cancellation(record, entries)),
            (Rule.CHANGED, self._has_changed(id_, record)),
        )
        yield from (Violation(rule, f"delivery {id_}", evidence) for rule, holds in broken if holds)

    def _is_given_up(self, record: Record, entries: Iterable[Entry]) -> bool:
        """Settled without delivery, and neither the sender nor the provider has asked for that."""
        match record["status"]:
            case DeliveryStatus.CANCELLED:
                posted = self.posted.get(record["notification_id"])
                return posted is None or not posted.cancelled
            case DeliveryStatus.SKIPPED:
                return not is_suppressed(record, entries)
            case DeliveryStatus.DEAD:
                return not has_cause(record, entries, self.tries)
        return False

    def _is_early(self, record: Record, entries: Sequence[Entry]) -> bool:
        posted = self.posted.get(record["notification_id"])
        not_before = posted.not_before if posted else None
        if not_before and any(entry.at < not_before - EARLY for entry in entries):
            return True
        return is_impatient(record, entries)

    def _is_after_cancellation(self, record: Record, entries: Iterable[Entry]) -> bool:
        """Sent so late that the claim cannot be from before, by somebody who had not lost it.

        When a claim was made is in no record, so that one made a moment after the cancellation
        passes here. The exact rule, that nothing is taken from then on, is what
        `test_the_end_of_a_notification_is_seen_though_its_content_is_cached` of the lanes proves,
        and for chunks `test_a_chunk_that_nobody_works_on_is_cancelled_and_taken_by_nobody` of the
        store's cancellations.
        """
        cancelled_at = self.notifications.get(record["notification_id"], {}).get("cancelled_at")
        if cancelled_at is None or record.get("lost_leases", 0):
            return False
        last = cancelled_at + self.longest_claim + LATE
        return any(entry.at > last for entry in entries)

    def _has_changed(self, id_: UUID, record: Record) -> bool:
        before = self.witnessed.get(id_)
        if before is None or before.get("replays", 0) < record.get("replays", 0):
            return False
        # A replay that is gone from the record is a change, too.
        words = ("status", "settled_at")
        return bool(before.get("replays", 0) != record.get("replays", 0)) or any(
            before.get(name) != record.get(name) for name in words
        )

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


def _told(record: Record, entries: Iterable[Entry]) -> tuple[str, ...]:
    plain = {k: v for k, v in record.items() if k not in ("attempts", "inline")}
    attempts = [f"attempt {attempt}" for attempt in record.get("attempts", ())]
    return (str(plain), *attempts, *map(_line, entries))


def _line(entry: Entry) -> str:
    return f"ledger {entry.to_line().decode().strip()}"
