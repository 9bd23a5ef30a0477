"""What a run is told as: a table, a file of JSON, and a last line for programs. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any
from uuid import UUID

from tests.chaos.books import Probe
from tests.chaos.story import Happened
from tests.support.reckoning import UUID_LENGTH, Reckoning
from tests.support.rules import LOST, Violation

from fogbell_local.sink import Entry, Outcome


@dataclass(frozen=True, slots=True)
class Recovery:
    """How long after a fault was healed the bell rang again, in seconds.

    ``first``: until a probe that was posted since the fault began was delivered; 0 where one that
    was posted in its second half arrived before it was healed, so that the bell never stopped.
    ``last``: until every probe that was posted while it lasted was delivered.
    None where that never came.
    """

    first: float | None
    last: float | None


def recovery(
    happened: Happened, probes: Sequence[Probe], arrived: Mapping[UUID, float]
) -> Recovery:
    """From when probes were posted, and when each arrived (both since the epoch)."""
    began, healed = happened.began, happened.healed
    late = [arrived.get(p.delivery) for p in probes if (began + healed) / 2 <= p.asked_at <= healed]
    if any(at is not None and at <= healed for at in late):
        first: float | None = 0.0
    else:
        after = [
            at - healed
            for p in probes
            if p.asked_at >= began and (at := arrived.get(p.delivery, 0.0)) > healed
        ]
        first = min(after, default=None)
    during = [arrived.get(p.delivery) for p in probes if began <= p.asked_at <= healed]
    last = None if None in during else max([healed, *(at for at in during if at)]) - healed
    return Recovery(first, last)


def arrivals(ledger: Sequence[Entry]) -> dict[UUID, float]:
    """When each delivery was first accepted, in seconds since the epoch; replays are left out."""
    found: dict[UUID, float] = {}
    for entry in ledger:
        if entry.outcome is Outcome.ACCEPTED and len(entry.delivery) == UUID_LENGTH:
            found.setdefault(UUID(entry.delivery), entry.at.timestamp())
    return found


@dataclass(frozen=True)
class Report:
    """All that is told of a run. ``left``: what did not come to rest; ``ended``: processes that
    ended by themselves; ``defects``: those of them that no outage explains; ``refused``: posts
    that were answered with a no.
    """

    seed: int
    happened: Sequence[Happened]
    recoveries: Sequence[Recovery]
    reckoning: Reckoning
    violations: Sequence[Violation]
    left: str
    answers: Mapping[str, int]
    ended: Sequence[str] = ()
    defects: Sequence[str] = ()
    refused: Sequence[str] = ()
    seconds: float = 0.0

    @property
    def lost(self) -> int:
        """Violations that say that something accepted is lost."""
        return sum(violation.rule in LOST for violation in self.violations)

    @property
    def unexplained(self) -> int:
        """All other violations, and posts that were refused."""
        return len(self.violations) - self.lost + len(self.refused)

    @property
    def passed(self) -> bool:
        """Nothing lost, nothing unexplained, nobody crashed, and all at rest."""
        return not (self.lost or self.unexplained or self.defects or self.left)

    def line(self) -> str:
        """What is printed last."""
        return (
            f"fogbell chaos: seed={self.seed} deliveries={len(self.reckoning.records)}"
            f" faults={len(self.happened)} lost={self.lost}"
            f" duplicated={self.reckoning.duplicates} unexplained={self.unexplained}"
        )

    def lines(self) -> Iterator[str]:
        """The table, and whatever is wrong in full."""
        yield ""
        yield f"{'fault':20}{'times':>6}{'first probe after heal':>26}{'every probe of it':>22}"
        yield f"{'':20}{'':>6}{'median':>18}{'max':>8}{'median':>14}{'max':>8}"
        for kind, found in sorted(self._by_kind().items()):
            first = _two([r.first for r in found])
            last = _two([r.last for r in found])
            yield f"{kind:20}{len(found):>6}{first[0]:>18}{first[1]:>8}{last[0]:>14}{last[1]:>8}"
        yield ""
        yield from self._totals()
        for text in self.refused:
            yield f"refused: {text}"
        for text in self.defects:
            yield f"ended by a defect: {text}"
        for violation in self.violations:
            yield str(violation)
        if self.left:
            yield f"not at rest: {self.left}"
        yield ""

    def document(self) -> dict[str, Any]:
        """The run, as it is kept."""
        return {
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "faults": [
                {**asdict(h.planned), "began": h.began, "healed": h.healed, "struck": h.struck,
                 "first": r.first, "last": r.last}
                for h, r in zip(self.happened, self.recoveries, strict=True)
            ],
            "totals": self._counts(),
            "answers": dict(self.answers),
            "ended": list(self.ended),
            "defects": list(self.defects),
            "refused": list(self.refused),
            "violations": [asdict(violation) for violation in self.violations],
            "left": self.left,
            "passed": self.passed,
        }  # fmt: skip

    def _by_kind(self) -> dict[str, list[Recovery]]:
        found: dict[str, list[Recovery]] = defaultdict(list)
        for happened, each in zip(self.happened, self.recoveries, strict=True):
            found[happened.planned.kind].append(each)
        return found

    def _counts(self) -> dict[str, int]:
        reckoning = self.reckoning
        records = reckoning.records.values()
        statuses = Counter(record["status"] for record in records)
        return {
            "notifications attempted": len(reckoning.attempted),
            "notifications accepted": len(reckoning.posted),
            "deliveries": len(reckoning.records),
            "delivered": statuses["delivered"],
            "dead": statuses["dead"],
            "cancelled or skipped": statuses["cancelled"] + statuses["skipped"],
            "leases lost": sum(record.get("lost_leases", 0) for record in records),
            "settled, as seen after a fault": len(reckoning.witnessed),
            "lost": self.lost,
            "duplicated": reckoning.duplicates,
            "unexplained": self.unexplained,
            "processes that ended by themselves": len(self.ended),
        }

    def _totals(self) -> Iterator[str]:
        for what, number in self._counts().items():
            yield f"{what:36}{number:>10}"
        told = ", ".join(f"{n} x {word}" for word, n in sorted(self.answers.items()))
        yield f"{'answers to the client':36}{told}"
        records = self.reckoning.records.values()
        dead = Counter(str(r.get("reason")) for r in records if r["status"] == "dead")
        told = ", ".join(f"{number} x {reason}" for reason, number in sorted(dead.items()))
        yield f"{'dead, by reason':36}{told}"


def _two(values: Sequence[float | None]) -> tuple[str, str]:
    """Median and maximum, in seconds; one that never came is the largest."""
    known = [value for value in values if value is not None]
    longest = "never" if None in values else f"{max(known):.1f}"
    return (f"{median(known):.1f}" if known else "never"), longest
