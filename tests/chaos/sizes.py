"""How much of everything, and which of the protocol's times are shortened. Values."""

from dataclasses import dataclass

from fogbell_local import environment
from fogbell_local.environment import Change

LEASE_SECONDS = 8.0
ATTEMPTS = 20

SHORTENED = (
    *environment.LOCAL,
    *environment.FAST,
    Change("FOGBELL_PROTOCOL__LEASE_SECONDS", "8", "60", "for how long a claim holds"),
    Change("FOGBELL_PROTOCOL__GRACE_SECONDS", "2", "30", "until what nobody claimed is released"),
    Change("FOGBELL_PROTOCOL__GRACE_CAP_SECONDS", "10", "3600", "that grace, doubled, at most"),
    Change("FOGBELL_SWEEP__INTERVAL_SECONDS", "0.5", "5", "between two sweeps", "retry"),
    Change("FOGBELL_RETRY__CAP_SECONDS", "5", "21600", "longest backoff"),
    Change("FOGBELL_RETRY__ATTEMPTS", str(ATTEMPTS), "8", "more tries, since they come so soon"),
    Change("FOGBELL_EMAIL__CONNECTIONS", "25", "10", "to a relay that takes its time", "worker"),
    # A group is given as a whole. All receivers are one process here, which must not be spared.
    Change("FOGBELL_BULK__SLOTS", "50", "50", "bulk sends at once", "worker"),
    Change("FOGBELL_BULK__BATCHES", "2", "2", "bulk batches at once", "worker"),
    Change("FOGBELL_BULK__PREFETCH", "4", "4", "bulk messages held", "worker"),
    Change("FOGBELL_BULK__PER_HOST", "50", "12", "bulk webhooks to a host at once", "worker"),
    Change("FOGBELL_BREAKER__PAUSE_SECONDS", "2", "10", "a failing provider is left", "worker"),
)
"""So that what takes minutes takes seconds, and the relay keeps up with so short a lease. A later
one stands for an earlier one of its name."""

REPLICA_SET = {"electionTimeoutMillis": 3000, "heartbeatIntervalMillis": 500}
"""MongoDB's own times, by default 10 s and 2 s."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """A run's: how many processes, how much load, how long anything may take.

    Paces are in seconds between two posts of a kind. ``people``: in the directory; ``bulk``:
    addresses of a bulk post that names them. ``after``: how long the load goes on after the last
    fault.
    """

    intakes: int = 2
    transactional_workers: int = 2
    bulk_workers: int = 2
    people: int = 600
    bulk: int = 200
    single: float = 0.12
    batch: float = 2.0
    inline_bulk: float = 6.0
    campaign: float = 40.0
    probe: float = 0.5
    after: float = 5.0
    rest_seconds: float = 600.0


FULL = Sizes()
SHORT = Sizes(
    intakes=1,
    transactional_workers=2,
    bulk_workers=1,
    people=100,
    bulk=60,
    single=0.25,
    campaign=25.0,
    after=2.0,
    rest_seconds=200.0,
)
