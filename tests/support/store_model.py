"""What the store must do with deliveries, said once more in memory: docs/protocol.md as a model.

It knows nothing of MongoDB. A test drives the store and this side by side, and compares.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from fogbell.model.delivery import Claimed
from fogbell.model.status import CLAIMABLE, Cause, DeliveryStatus, transition

S = DeliveryStatus
VOID = "void"
LOST_ALONE_LIMIT = 3


@dataclass(slots=True)
class Modelled:
    """One delivery. ``accepted``: how often a provider has said so, recorded or not."""

    status: S = S.PENDING
    chunk: str | None = None
    owner: str | None = None
    lost_owner: str | None = None
    lost_leases: int = 0
    lost_alone: int = 0
    replays: int = 0
    accepted: int = 0
    alone: bool = False

    def move(self, cause: Cause) -> None:
        """To the status that follows; whatever moves it takes it out of its chunk."""
        self.status, self.chunk = transition(self.status, cause), None


@dataclass(slots=True)
class Hold:
    """What a worker holds: by claims with ``token``, or by the lease on the chunk of that token.

    ``over``: the time of it has passed, or it was ended: nothing may be sent under it any more.
    """

    token: str
    holder: str
    claimed: dict[UUID, Claimed]
    chunked: bool = False
    over: bool = False
    begun: dict[UUID, Cause] = field(default_factory=dict)
    recorded: set[UUID] = field(default_factory=set)

    @property
    def unrecorded(self) -> list[UUID]:
        """What was sent, and not written down."""
        return [i for i in self.begun if i not in self.recorded]

    @property
    def unsent(self) -> list[UUID]:
        """What was not sent."""
        return [i for i in self.claimed if i not in self.begun]


@dataclass(slots=True)
class Lease:
    """The lease on a chunk: who holds it; or `VOID`."""

    holder: str
    over: bool = False


@dataclass(slots=True)
class Model:
    """All deliveries of one run, and the leases on its chunks."""

    deliveries: dict[UUID, Modelled] = field(default_factory=dict)
    leases: dict[str, Lease] = field(default_factory=dict)
    overdue: set[str] = field(default_factory=set)
    """Tokens of claims whose time has passed."""

    def members(self, chunk: str) -> set[UUID]:
        """What is still in ``chunk``."""
        return {i for i, d in self.deliveries.items() if d.chunk == chunk}

    def take(self, chunk: str, holder: str) -> set[UUID] | None:
        """The lease, unless it is somebody's or void."""
        if chunk in self.leases:
            return None
        self.leases[chunk] = Lease(holder)
        return self.members(chunk)

    def claim(self, ids: Iterable[UUID], token: str, *, alone: bool) -> set[UUID]:
        """Each by itself."""
        found = set()
        for i in ids:
            d = self.deliveries[i]
            if d.status in CLAIMABLE and d.chunk is None and (alone or not d.lost_leases):
                d.move(Cause.CLAIM)
                d.owner, d.alone = token, alone
                found.add(i)
        return found

    def holds(self, hold: Hold, i: UUID) -> bool:
        """Whether a record under ``hold`` still counts."""
        d = self.deliveries[i]
        if hold.chunked:
            return d.chunk == hold.token
        return (d.status, d.owner) == (S.SENDING, hold.token)

    def record(self, hold: Hold, i: UUID, cause: Cause) -> str:
        """``stored``, ``late`` (it is delivered after all) or ``lost``."""
        d = self.deliveries[i]
        if self.holds(hold, i):
            if hold.chunked:
                d.status = S.SENDING  # as it is meant, though it was written nowhere
            d.move(cause)
            d.owner, d.alone = hold.token, False
            return "stored"
        if (cause, d.status, d.lost_owner) == (Cause.ACCEPTED, S.FAILED, hold.token):
            d.move(Cause.LATE_ACCEPTED)
            d.owner, d.alone = hold.token, False
            return "late"
        return "lost"

    def give_back(self, hold: Hold, ids: Iterable[UUID]) -> int:
        """Unsent, what is still held."""
        held = [i for i in ids if self.holds(hold, i)]
        for i in held:
            d = self.deliveries[i]
            d.status, d.chunk, d.alone = S.PENDING, None, False
            d.owner = None
        return len(held)

    def end(self, chunk: str, holder: str) -> None:
        """By who holds it, nobody else."""
        lease = self.leases.get(chunk)
        if lease is not None and lease.holder == holder:
            del self.leases[chunk]

    def void(self, chunks: Iterable[str]) -> set[str]:
        """Those that are somebody's."""
        for chunk in chunks:
            self.leases.setdefault(chunk, Lease(VOID))
        return {chunk for chunk in chunks if self.leases[chunk].holder != VOID}

    def expire(self) -> int:
        """What a sweep ends: claims and leases whose time has passed, with what is not recorded."""
        lost = {
            i: d.owner
            for i, d in self.deliveries.items()
            if d.status is S.SENDING and d.owner in self.overdue
        }
        over = [chunk for chunk, lease in self.leases.items() if lease.over]
        for chunk in over:
            lost |= dict.fromkeys(self.members(chunk), chunk)
            del self.leases[chunk]
        for i, owner in lost.items():
            self._lose(self.deliveries[i], owner)
        return len(lost)

    def _lose(self, d: Modelled, owner: str | None) -> None:
        d.lost_leases += 1
        d.lost_alone += d.alone
        poisonous = d.lost_alone >= LOST_ALONE_LIMIT
        d.status = S.DEAD if poisonous else S.FAILED
        d.lost_owner, d.owner, d.chunk, d.alone = owner, None, None, False

    def cancel(self) -> None:
        """What is neither settled nor being sent."""
        leased = self.void({d.chunk for d in self.deliveries.values() if d.chunk is not None})
        for d in self.deliveries.values():
            if d.status in CLAIMABLE and d.chunk not in leased:
                d.move(Cause.CANCEL)

    def replay(self, statuses: Iterable[S]) -> int:
        """A new budget for what is settled so."""
        found = [d for d in self.deliveries.values() if d.status in statuses]
        for d in found:
            d.move(Cause.REPLAY)
            d.owner = d.lost_owner = None
            d.lost_alone, d.alone = 0, False
            d.replays += 1
        return len(found)
