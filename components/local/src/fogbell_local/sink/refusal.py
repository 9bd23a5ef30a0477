"""Whom the sink refuses, as a real provider would some of what it is given."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from fogbell_local.sink.ledger import Entry, Outcome

UNAVAILABLE_PATH = "/unavailable"
GONE_PATH = "/gone"


def in_fraction(delivery: str, fraction: float) -> bool:
    """Whether ``delivery`` falls within ``fraction`` (0 to 1) of all: always the same ones."""
    digest = hashlib.sha256(delivery.encode()).digest()
    return int.from_bytes(digest[:8], "big") < fraction * 2**64


@dataclass(frozen=True, slots=True)
class Outage:
    """``provider`` accepts ``after`` messages, refuses the next ``lasts``, and is back then.

    Counted in messages, not in seconds: it is the same on a slow machine.
    """

    provider: str
    after: int
    lasts: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``str`` of one back. Raises ValueError."""
        provider, after, lasts = text.split(":")
        return cls(provider, int(after), int(lasts))

    def __str__(self) -> str:
        return f"{self.provider}:{self.after}:{self.lasts}"


@dataclass(slots=True)
class Refusals:
    """Remembers whom it refused, so that what is refused once is accepted the second time."""

    fraction: float = 0.0
    outage: Outage | None = None
    webhook_fraction: float = 0.0
    seen: set[str] = field(default_factory=set)
    answers: Counter[tuple[str | None, Outcome]] = field(default_factory=Counter)
    """How many of each a provider gave."""

    @classmethod
    def resume(
        cls,
        fraction: float,
        entries: Iterable[Entry],
        outage: Outage | None = None,
        webhook_fraction: float = 0.0,
    ) -> "Refusals":
        """With the memory of a sink that wrote ``entries`` before it ended."""
        entries = list(entries)
        seen = {e.delivery for e in entries if e.outcome is Outcome.REFUSED}
        answers = Counter((e.provider, e.outcome) for e in entries)
        return cls(fraction, outage, webhook_fraction, seen, answers)

    def mail(self, delivery: str) -> Outcome:
        """The answer to one mail."""
        if in_fraction(delivery, self.fraction):
            return self._first_time(delivery)
        return Outcome.ACCEPTED

    def webhook(self, delivery: str, path: str) -> Outcome:
        """The answer to one webhook: the path says how its receiver is."""
        if path.startswith(UNAVAILABLE_PATH) or in_fraction(delivery, self.webhook_fraction):
            return self._first_time(delivery)
        return Outcome.REFUSED if path.startswith(GONE_PATH) else Outcome.ACCEPTED

    def by_provider(self, provider: str, *, reachable: bool) -> Outcome:
        """The answer of ``provider`` to a message for somebody who is ``reachable`` or not."""
        refused = not reachable or self._is_out(provider)
        outcome = Outcome.REFUSED if refused else Outcome.ACCEPTED
        self.answers[provider, outcome] += 1
        return outcome

    def _is_out(self, provider: str) -> bool:
        outage = self.outage
        if outage is None or outage.provider != provider:
            return False
        accepted = self.answers[provider, Outcome.ACCEPTED]
        return accepted >= outage.after and self.answers[provider, Outcome.REFUSED] < outage.lasts

    def _first_time(self, delivery: str) -> Outcome:
        if delivery in self.seen:
            return Outcome.ACCEPTED
        self.seen.add(delivery)
        return Outcome.REFUSED
