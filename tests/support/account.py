"""What always holds once all is settled: the records and the provider's own ledger agree."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
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
            self._check_settled(id_, record)
            self._check_copies(id_, record)

    def _check_settled(self, id_: UUID, record: Record) -> None:
        status = DeliveryStatus(record["status"])
        assert status in SETTLED, f"{id_} is {status}"
        assert record.get("settled_at"), f"{id_} is {status} since never"
        assert not _LEFT_OVER & record.keys(), f"{id_} is {status} and still to be looked at"
        accepted = [a for a in record.get("attempts", ()) if a["outcome"] == "accepted"]
        delivered = status is DeliveryStatus.DELIVERED and record["channel"] != Channel.INBOX
        assert len(accepted) == delivered, f"{id_} is {status} with {len(accepted)} accepted"

    def _check_copies(self, id_: UUID, record: Record) -> None:
        copies = self.copies[str(id_)]
        unsure = sum(a["outcome"] == "ambiguous" for a in record.get("attempts", ()))
        unsure += record.get("lost_leases", 0)
        if record["status"] == DeliveryStatus.DELIVERED and record["channel"] != Channel.INBOX:
            assert 1 <= copies <= 1 + unsure, f"{id_} arrived {copies} times, {unsure} unsure tries"
        else:
            assert copies <= unsure, f"{id_} is {record['status']} and arrived {copies} times"


def recipient_ids(notification: str, recipients: Iterable[str], *channels: Channel) -> set[UUID]:
    """What the deliveries to ``recipients`` of the directory have to be called."""
    run = UUID(notification)
    return {delivery_id(run, name, channel) for name in recipients for channel in channels}


def email_ids(notification: str, addresses: Iterable[str]) -> set[UUID]:
    """What the e-mail deliveries to inline ``addresses`` have to be called."""
    keys = (inline_key(json.dumps({"email": address})) for address in addresses)
    return {delivery_id(UUID(notification), key, Channel.EMAIL) for key in keys}
