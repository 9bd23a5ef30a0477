"""What always holds once all is settled: the records and the provider's own ledger agree."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from fogbell.identity import delivery_id, inline_key
from fogbell.model.status import SETTLED, Channel, DeliveryStatus
from fogbell_local.sink import Entry, Outcome

Record = Mapping[str, Any]
_LEFT_OVER = {"sweep_at", "alone"}


@dataclass(frozen=True)
class Account:
    """Deliveries as stored, by id, and what the sink has answered for them."""

    records: Mapping[UUID, Record]
    ledger: list[Entry]

    @cached_property
    def copies(self) -> Counter[str]:
        """How many copies of each delivery the sink has accepted."""
        return Counter(e.delivery for e in self.ledger if e.outcome is Outcome.ACCEPTED)

    @property
    def statuses(self) -> Counter[str]:
        return Counter(record["status"] for record in self.records.values())

    @property
    def duplicates(self) -> int:
        """Copies beyond the first."""
        return sum(self.copies.values()) - len(self.copies)

    @property
    def lost_leases(self) -> int:
        return sum(record.get("lost_leases", 0) for record in self.records.values())

    def balance(self, expected: set[UUID]) -> None:
        """Nothing is missing, nothing is there that was not asked for, and the two sides agree."""
        assert set(self.records) == expected
        for id_, record in self.records.items():
            assert not list(inconsistencies(id_, record))
            copies, most = self.copies[str(id_)], most_copies(record)
            assert is_sent(record) <= copies <= most, (
                f"{id_} is {record['status']} and arrived {copies} times, at most {most} expected"
            )


def inconsistencies(id_: UUID, record: Record) -> Iterator[str]:
    """What a record at rest must not say, a sentence each."""
    status = DeliveryStatus(record["status"])
    if status not in SETTLED:
        yield f"{id_} is {status}"
    if not record.get("settled_at"):
        yield f"{id_} is {status} since never"
    if _LEFT_OVER & record.keys():
        yield f"{id_} is {status} and still to be looked at"
    accepted = sum(a["outcome"] == "accepted" for a in record.get("attempts", ()))
    # What a replay has put back keeps the history of how it was delivered before.
    if not is_sent(record) <= accepted <= is_sent(record) + record.get("replays", 0):
        yield f"{id_} is {status} with {accepted} accepted"


def is_sent(record: Record) -> bool:
    """Whether a provider has it, by the record; an inbox has no provider."""
    return bool(record["status"] == DeliveryStatus.DELIVERED and record["channel"] != Channel.INBOX)


def most_copies(record: Record) -> int:
    """How many copies may have arrived: the one that is recorded, one for each earlier replay, and
    one for each try of which nobody knows.
    """
    unsure = sum(a["outcome"] == "ambiguous" for a in record.get("attempts", ()))
    lost, replays = record.get("lost_leases", 0), record.get("replays", 0)
    return int(is_sent(record) + unsure + lost + replays)


def recipient_ids(notification: str, recipients: Iterable[str], *channels: Channel) -> set[UUID]:
    """What the deliveries to ``recipients`` of the directory have to be called."""
    run = UUID(notification)
    return {delivery_id(run, name, channel) for name in recipients for channel in channels}


def email_ids(notification: str, addresses: Iterable[str]) -> set[UUID]:
    """What the e-mail deliveries to inline ``addresses`` have to be called."""
    keys = (inline_key(json.dumps({"email": address})) for address in addresses)
    return {delivery_id(UUID(notification), key, Channel.EMAIL) for key in keys}
