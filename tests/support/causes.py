"""What a delivery's history and the ledger say of its end: why it may be given up. Pure."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import pairwise

from tests.support.account import Record, is_sent, most_copies

from fogbell.model.status import Channel, DeliveryStatus
from fogbell_local.sink import Entry, Outcome
from fogbell_local.sink.webhook import RETRY_AFTER_SECONDS

EARLY = timedelta(milliseconds=50)
"""By so much a send may seem to come before its time: MongoDB's clock and the ledger's are read
one after the other."""

LOST_ALONE = 3
"""Leases that a delivery loses by itself until it is given up (``lost_leases_limit``)."""

RETRY_AFTER = timedelta(seconds=RETRY_AFTER_SECONDS)
_SMTP_FOR_GOOD, _SERVERS_FAULT = 500, 500
_PASSING = frozenset({408, 425, 429})


def is_for_good(entry: Entry) -> bool:
    """Whether it is a refusal that the same message cannot change: 550 or 410, not 451 or 503."""
    if entry.outcome is not Outcome.REFUSED or entry.code is None:
        return False
    if entry.channel is Channel.EMAIL:
        return entry.code >= _SMTP_FOR_GOOD
    return entry.code < _SERVERS_FAULT and entry.code not in _PASSING


def of_last_replay(record: Record, entries: Iterable[Entry]) -> list[Entry]:
    """Those under the key that it had last. A text carries no id, and so no number of a replay."""
    own, replays = list(entries), record.get("replays", 0)
    if record["channel"] == Channel.SMS:
        return own
    key = f"{record['_id']}-{replays}" if replays else str(record["_id"])
    return [entry for entry in own if entry.delivery == key]


def accepted(entries: Iterable[Entry]) -> int:
    """How many of them were taken."""
    return sum(entry.outcome is Outcome.ACCEPTED for entry in entries)


def has_arrived(record: Record, entries: Iterable[Entry]) -> bool:
    """Whether the sink has what the record says: a copy of the last replay; of a text, without a
    number, as many as tries that were accepted.
    """
    own = accepted(of_last_replay(record, entries))
    if record["channel"] == Channel.SMS:
        told = sum(attempt["outcome"] == "accepted" for attempt in record.get("attempts", ()))
        return bool(own >= max(1, told))
    return own > 0


def is_suppressed(record: Record, entries: Iterable[Entry]) -> bool:
    """Whether it is skipped since its address was refused for good: the one cause that a run has.

    Nobody opts out, nothing expires, and everybody has an address.
    """
    return record.get("reason") == "suppressed" and any(map(is_for_good, entries))


def has_cause(record: Record, entries: Iterable[Entry], tries: int) -> bool:
    """Why it is dead: a refusal for good that the provider remembers, an answer that never came,
    all ``tries`` that are used up, or leases that are.
    """
    last = next((a["outcome"] for a in reversed(record.get("attempts", ()))), None)
    match record.get("reason"):
        case "lost_leases":
            return bool(record.get("lost_alone", 0) >= LOST_ALONE)
        case "ambiguous":
            return bool(last == "ambiguous")
        case "attempts_exhausted":
            used = record.get("attempt_count", 0)
            return bool(used >= tries and last in ("transient", "ambiguous"))
    return last == "permanent" and any(map(is_for_good, of_last_replay(record, entries)))


def was_selected(record: Record) -> bool:
    """Whether a replay of what is dead or delivered takes it: what was skipped or cancelled then
    still is, for nothing but a replay changes it.
    """
    return record["status"] in (DeliveryStatus.DEAD, DeliveryStatus.DELIVERED) and (
        record["channel"] != Channel.INBOX
    )


def is_impatient(record: Record, entries: Sequence[Entry]) -> bool:
    """Tried again before the receiver of webhooks wanted to be asked again.

    Only where the record knows of every try: an answer that nobody has read asks for nothing.
    """
    if record["channel"] != Channel.WEBHOOK or most_copies(record) > is_sent(record):
        return False
    return any(
        first.outcome is Outcome.REFUSED and then.at < first.at + RETRY_AFTER - EARLY
        for first, then in pairwise(entries)
    )
