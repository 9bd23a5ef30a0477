"""Which deliveries the sink refuses the first time, as a real provider would some of them."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from fogbell_local.sink.ledger import Entry, Outcome

UNAVAILABLE_PATH = "/unavailable"
GONE_PATH = "/gone"


def in_fraction(delivery: str, fraction: float) -> bool:
    """Whether ``delivery`` falls within ``fraction`` (0 to 1) of all: always the same ones."""
    digest = hashlib.sha256(delivery.encode()).digest()
    return int.from_bytes(digest[:8], "big") < fraction * 2**64


@dataclass(slots=True)
class Refusals:
    """Remembers what was refused once, so that the second try is accepted."""

    fraction: float = 0.0
    seen: set[str] = field(default_factory=set)

    @classmethod
    def resume(cls, fraction: float, entries: Iterable[Entry]) -> "Refusals":
        """With the memory of a sink that wrote ``entries`` before it ended."""
        return cls(fraction, {e.delivery for e in entries if e.outcome is Outcome.REFUSED})

    def mail(self, delivery: str) -> Outcome:
        """The answer to one mail."""
        if in_fraction(delivery, self.fraction):
            return self._first_time(delivery)
        return Outcome.ACCEPTED

    def webhook(self, delivery: str, path: str) -> Outcome:
        """The answer to one webhook: the path says how its receiver is."""
        if path.startswith(UNAVAILABLE_PATH):
            return self._first_time(delivery)
        return Outcome.REFUSED if path.startswith(GONE_PATH) else Outcome.ACCEPTED

    def _first_time(self, delivery: str) -> Outcome:
        if delivery in self.seen:
            return Outcome.ACCEPTED
        self.seen.add(delivery)
        return Outcome.REFUSED
