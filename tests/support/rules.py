"""What may be broken, and what a client knows: the words of the reckoning. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Rule(StrEnum):
    """What was broken. The first six: something accepted is lost."""

    MISSING = "missing"
    UNSETTLED = "unsettled"
    NOT_ARRIVED = "not-arrived"
    NOT_ACCEPTED = "not-accepted"
    GIVEN_UP = "given-up-without-cause"
    NOT_REPLAYED = "not-replayed"
    INCONSISTENT = "inconsistent"
    STRAY = "stray"
    UNASKED = "unasked"
    EARLY = "early"
    AFTER_CANCELLATION = "after-cancellation"
    COPIES = "copies"
    CHANGED = "changed-after-settled"
    TOTALS = "totals"
    QUEUE = "queue"


LOST = frozenset(list(Rule)[:6])


@dataclass(frozen=True, slots=True)
class Posted:
    """What a client knows of one notification that was accepted.

    ``deliveries`` must exist; of one that was ``cancelled`` some may not where they are
    ``expanded`` after the answer, which a cancellation stops. ``not_before``: nothing of it may be
    sent earlier. ``replays``: how often it was asked for at most; ``replayed``: how often it was
    answered that something is put back.
    """

    id: UUID
    deliveries: frozenset[UUID]
    not_before: datetime | None = None
    cancelled: bool = False
    replays: int = 0
    replayed: int = 0
    expanded: bool = False


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that one delivery, notification or queue breaks, with all that is known of it."""

    rule: Rule
    what: str
    evidence: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join([f"{self.rule}: {self.what}", *(f"    {line}" for line in self.evidence)])
