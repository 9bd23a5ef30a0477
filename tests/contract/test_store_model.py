"""The store against a model of the protocol: whatever workers, sweeps and people do, in any order.

Each step is done to a real MongoDB and to the model (`tests.support.store_model`), and all that the
model knows is compared. The invariants are those of docs/protocol.md.
"""

import asyncio
import itertools
from collections.abc import Awaitable
from functools import partial
from typing import Any, TypeVar, cast
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.support.changes import NOW, store_run
from tests.support.deliveries import GRACE, LEASE, age, attempt, documents, lose_leases
from tests.support.deliveries import new_delivery as made
from tests.support.store_model import LOST_ALONE_LIMIT, Hold, Lease, Model, Modelled, S

from fogbell.model.outcome import Outcome
from fogbell.model.status import Cause, Channel, Lane
from fogbell.policy import Verdict
from fogbell.store import (
    cancelling,
    chunks,
    claims,
    deliveries,
    records,
    replay_pages,
    replaying,
    sweeping,
)
from fogbell.store.chunks import Chunk
from fogbell.store.database import Database
from fogbell.store.indexes import ensure_indexes
from fogbell.store.records import Record
from fogbell.store.replaying import Replay, Selection

BULK, EMAIL = Lane.BULK, Channel.EMAIL
CHUNKS = ("a", "b")
MEMBERS = {"a": 3, "b": 2, None: 2}
SENT = {
    Cause.ACCEPTED: (Verdict(Cause.ACCEPTED), Outcome.ACCEPTED),
    Cause.RETRY_LATER: (Verdict(Cause.RETRY_LATER, "busy", 0.0), Outcome.TRANSIENT),
    Cause.GIVE_UP: (Verdict(Cause.GIVE_UP, "refused"), Outcome.PERMANENT),
}
UNSENT = {
    Cause.RELEASE: Verdict(Cause.RELEASE, "rate_limited", 0.0),
    Cause.CANCEL: Verdict(Cause.CANCEL, "cancelled"),
    Cause.SKIP: Verdict(Cause.SKIP, "suppressed"),
}
T = TypeVar("T")


async def _awaited(step: Awaitable[T]) -> T:
    return await step


class Protocol(RuleBasedStateMachine):
    """Workers that take, send, record and stall; sweeps; a cancellation; replays."""

    def __init__(self, db: Database, runner: asyncio.Runner) -> None:
        super().__init__()
        self.db, self.runner = db, runner
        self.model = Model()
        self.holds: list[Hold] = []
        self.cancelled = False
        self.numbers = itertools.count()
        self.run(self._begin())

    def run(self, step: Awaitable[T]) -> T:
        return self.runner.run(_awaited(step))

    async def _begin(self) -> None:
        db = self.db
        for collection in (db.deliveries, db.notifications, db.chunks):
            await collection.delete_many({})
        self.id = await store_run(db, {})
        names = itertools.count()
        for chunk, number in MEMBERS.items():
            new = [
                made(self.id, f"r{next(names)}", EMAIL, BULK, chunk=chunk) for _ in range(number)
            ]
            await deliveries.insert(db, new, GRACE)
            self.model.deliveries |= {d.id: Modelled(chunk=chunk) for d in new}
        self.chunks = {
            chunk: Chunk(chunk, BULK, EMAIL, sorted(self.model.members(chunk))) for chunk in CHUNKS
        }

    def _hold(self, token: str, holder: str, found: list[Any], *, chunked: bool) -> None:
        by_id = {c.id: c for c in found}
        mine = {i: by_id[i] for i in self.model.deliveries if i in by_id}
        hold = Hold(token, holder, mine, chunked)
        self.holds.append(hold)

    # What workers do.

    @rule(chunk=st.sampled_from(CHUNKS))
    def take(self, chunk: str) -> None:
        holder = f"holder-{next(self.numbers)}"
        found = self.run(chunks.take(self.db, self.chunks[chunk], holder, LEASE))
        expected = self.model.take(chunk, holder)
        assert (None if found is None else {c.id for c in found}) == expected
        if found is not None:
            self._hold(chunk, holder, found, chunked=True)

    @rule(data=st.data(), alone=st.booleans())
    def claim(self, data: st.DataObject, alone: bool) -> None:
        every = list(self.model.deliveries)
        ids = data.draw(st.lists(st.sampled_from(every), min_size=1, max_size=1 if alone else 9))
        token = f"claim-{next(self.numbers)}"
        found = self.run(claims.claim(self.db, ids, token, LEASE, alone=alone))
        assert {c.id for c in found} == self.model.claim(ids, token, alone=alone)
        if found:
            self._hold(token, token, found, chunked=False)

    @precondition(lambda self: any(h.unsent and not h.over for h in self.holds))
    @rule(data=st.data(), cause=st.sampled_from([Cause.ACCEPTED, *SENT, *UNSENT]))
    def send(self, data: st.DataObject, cause: Cause) -> None:
        """Or settle without a send, or put back; under a hold whose time has not passed."""
        hold = data.draw(st.sampled_from([h for h in self.holds if h.unsent and not h.over]))
        one = data.draw(st.sampled_from(hold.unsent))
        hold.begun[one] = cause
        self.model.deliveries[one].accepted += cause is Cause.ACCEPTED

    @precondition(lambda self: any(h.unrecorded for h in self.holds))
    @rule(data=st.data(), twice=st.booleans())
    def record(self, data: st.DataObject, twice: bool) -> None:
        """However late; the driver may send it twice."""
        hold = data.draw(st.sampled_from([h for h in self.holds if h.unrecorded]))
        entries = {i: self._record(hold, i) for i in hold.unrecorded}
        outcomes = {i: self.model.record(hold, i, hold.begun[i]) for i in entries}
        lost = frozenset(i for i, outcome in outcomes.items() if outcome != "stored")
        late = frozenset(i for i, outcome in outcomes.items() if outcome == "late")
        found = self.run(records.record(self.db, list(entries.values())))
        assert (found.lost, found.late) == (lost, late)
        if twice:
            again = self.run(records.record(self.db, list(entries.values())))
            assert (again.lost, again.late) == (lost - late, frozenset())
        hold.recorded |= entries.keys()

    def _record(self, hold: Hold, i: UUID) -> Record:
        cause = hold.begun[i]
        if cause in UNSENT:
            return Record(hold.claimed[i], UNSENT[cause])
        verdict, outcome = SENT[cause]
        return Record(hold.claimed[i], verdict, attempt(outcome))

    @precondition(lambda self: any(h.unsent for h in self.holds))
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        hold = data.draw(st.sampled_from([h for h in self.holds if h.unsent]))
        ids = hold.unsent
        found = self.run(claims.release(self.db, ids, hold.token, chunked=hold.chunked))
        assert found == self.model.give_back(hold, ids)
        hold.claimed = {i: c for i, c in hold.claimed.items() if i in hold.begun}

    @precondition(lambda self: any(h.chunked and not h.unrecorded for h in self.holds))
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        """Only once all that was begun is recorded; what was not sent is free again."""
        ready = [h for h in self.holds if h.chunked and not h.unrecorded]
        hold = data.draw(st.sampled_from(ready))
        self.run(chunks.end(self.db, hold.token, hold.holder))
        self.model.end(hold.token, hold.holder)
        self.holds.remove(hold)

    # What time does, and the sweep.

    @precondition(lambda self: any(not h.over for h in self.holds))
    @rule(data=st.data())
    def outlast(self, data: st.DataObject) -> None:
        """A worker stalls until its time has passed; it may go on later."""
        hold = data.draw(st.sampled_from([h for h in self.holds if not h.over]))
        hold.over = True
        if hold.chunked:
            self.run(self._outlast_lease(hold))
        else:
            held = [i for i in hold.claimed if self.model.holds(hold, i)]
            self.run(lose_leases(self.db, held))
            self.model.overdue.add(hold.token)

    async def _outlast_lease(self, hold: Hold) -> None:
        mine = {"_id": hold.token, "holder": hold.holder}
        over = {"$subtract": ["$$NOW", 1000]}
        await self.db.chunks.update_one(mine, [{"$set": {"until": over}}])
        if (lease := self.model.leases.get(hold.token)) and lease.holder == hold.holder:
            self.model.leases[hold.token] = Lease(hold.holder, over=True)

    @rule()
    def end_leases(self) -> None:
        assert self.run(self._end_leases()) == self.model.expire()

    async def _end_leases(self) -> int:
        db, ended = self.db, 0
        now = db.clock.now()
        ids = await sweeping.overdue_leases(db, BULK, EMAIL, since=None, until=now, limit=100)
        ended += await sweeping.expire_leases(db, ids, GRACE, LOST_ALONE_LIMIT)
        for lease in await chunks.overdue(db, 100):
            assert await chunks.seize(db, lease, "sweep")
            left = await chunks.unrecorded(db, lease.chunk)
            token = lease.chunk.token
            ended += await sweeping.expire_leases(db, left, GRACE, LOST_ALONE_LIMIT, token)
            await chunks.end(db, token, "sweep")
        return ended

    @rule()
    def publish_again(self) -> None:
        """What nobody has taken leaves its chunk, to be claimed by itself."""
        waiting = [i for i, d in self.model.deliveries.items() if d.status in (S.PENDING, S.FAILED)]
        self.run(self._publish_again(waiting))
        leased = self.model.void({d.chunk for d in self.model.deliveries.values() if d.chunk})
        for i in waiting:
            if self.model.deliveries[i].chunk not in leased:
                self.model.deliveries[i].chunk = None

    async def _publish_again(self, waiting: list[UUID]) -> None:
        await age(self.db, waiting, sweep_at=NOW)
        due = await sweeping.due_page(
            self.db, BULK, EMAIL, since=None, until=self.db.clock.now(), limit=100, leases=False
        )
        found = [*due.together, *due.alone, *itertools.chain(*due.chunked.values())]
        assert set(found) >= set(waiting)
        leased = await chunks.void(self.db, due.chunked)
        await sweeping.move_forward(self.db, found, GRACE, GRACE, leased)

    # What people do.

    @precondition(lambda self: not self.cancelled)
    @rule()
    def cancel(self) -> None:
        self.cancelled = True
        self.run(cancelling.mark(self.db, self.id, GRACE))
        assert self.run(cancelling.settle(self.db, self.id, NOW))
        self.model.cancel()

    @precondition(lambda self: not self.cancelled)
    @rule(statuses=st.sets(st.sampled_from([S.DEAD, S.DELIVERED, S.SKIPPED]), min_size=1))
    def replay(self, statuses: set[S]) -> None:
        assert self.run(self._replay(frozenset(statuses))) == self.model.replay(statuses)

    async def _replay(self, statuses: frozenset[S]) -> int:
        begun = await replaying.begin(self.db, self.id, Selection(statuses), GRACE)
        assert isinstance(begun, Replay)
        page = await replay_pages.page(self.db, begun, GRACE, GRACE)
        assert page is not None
        await replaying.finish(self.db, begun, NOW)
        return page.replayed

    # What must be true at any time.

    @invariant()
    def as_the_model_says(self) -> None:
        stored = self.run(documents(self.db, self.model.deliveries))
        for i, d in self.model.deliveries.items():
            document = stored[i]
            assert document["status"] == d.status
            assert document.get("chunk") == d.chunk
            assert document.get("owner") == d.owner
            assert document.get("lost_leases", 0) == d.lost_leases
            assert document.get("replays", 0) == d.replays
            # Nothing is forgotten, and nobody looks for ever at what is settled.
            assert ("sweep_at" in document) == (not d.status.settled)
            assert ("settled_at" in document) == d.status.settled

    @invariant()
    def no_copy_is_unexplained(self) -> None:
        for d in self.model.deliveries.values():
            assert d.accepted <= 1 + d.lost_leases + d.replays
            assert d.accepted or d.status is not S.DELIVERED


def test_the_store_does_what_the_model_says(mongo_uri: str, database_name: str) -> None:
    with asyncio.Runner() as runner:
        db = runner.run(_database(mongo_uri, database_name))
        try:
            run_state_machine_as_test(
                cast("Any", partial(Protocol, db, runner)),  # what makes one is enough
                settings=settings(
                    max_examples=60,
                    stateful_step_count=40,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            db.close()


async def _database(uri: str, name: str) -> Database:
    db = Database(uri, name)
    # Without a ping: what is due by MongoDB's own time has to be so by this clock as well.
    await ensure_indexes(db)
    return db
