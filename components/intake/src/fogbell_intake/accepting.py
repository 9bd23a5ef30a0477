"""Group commit (protocol step 1): posts are stored in one transaction for all that wait.

A lone post commits at once; while a commit is in flight, the next ones gather. There is no timer,
so nothing is added to a lone post. A few wait for more that are just being looked up: those would
else wait for a whole commit that does little.
"""

import asyncio
import hashlib
import json
from collections.abc import Coroutine, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID

import structlog
from opentelemetry.trace import Span, SpanContext

from fogbell.broker import Publisher
from fogbell.expansion.storing import publish_new
from fogbell.model.delivery import NewDelivery
from fogbell.model.notification import Notification
from fogbell.model.status import Lane
from fogbell.store import notifications
from fogbell.store.database import Database, StoreUnavailableError
from fogbell.store.notifications import Accept, AcceptConflictError, Stored
from fogbell.telemetry import traces
from fogbell.telemetry.lineage import gathered
from fogbell.together import together

MOST_POSTS = 512
"""Posts a commit: a transaction should stay small, and its locks short."""

MOST_DELIVERIES = 2_000
MOST_PUBLISHES = 256
"""Commits whose publishing may be under way; beyond that the sweep publishes."""

MOST_WAITING = 4_096
"""Posts that may wait for their commit; beyond that a post is refused at once, with a 503."""

ALONE_TRIES = 3

log = structlog.get_logger(__name__)

# Made once: `json.dumps` makes an encoder for each call that is not by its defaults.
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Accepted:
    """How a post ended: what is stored under its id, by it or by an earlier one.

    ``replayed``: an earlier post with the same key; `matches` tells whether with the same body.
    """

    notification_id: UUID
    stored: Stored
    replayed: bool = False

    def matches(self, request_hash: bytes | None) -> bool:
        """Whether the stored request is the one of ``request_hash``."""
        return self.stored.request_hash == request_hash


def request_hash(body: dict[str, Any]) -> bytes:
    """A hash of the canonical form: the same JSON value, however it was written."""
    return hashlib.sha256(_CANONICAL.encode(body).encode()).digest()


@dataclass(slots=True)
class _Waiting:
    post: Accept
    keyed: bool
    done: "asyncio.Future[Accepted]"
    requested_in: SpanContext | None
    twins: list["_Waiting"] = field(default_factory=list)

    @property
    def id(self) -> UUID:
        return self.post.notification.id

    def finish(self, stored: Stored, *, replayed: bool) -> None:
        """Answer this post, and its twins, which asked for the same thing meanwhile."""
        if not self.done.done():
            self.done.set_result(Accepted(self.id, stored, replayed))
        for twin in self.twins:
            twin.finish(stored, replayed=True)

    def fail(self, error: Exception) -> None:
        for waiting in (self, *self.twins):
            if not waiting.done.done():
                waiting.done.set_exception(error)


class Coming(Protocol):
    """Posts that will be here within a moment, if nothing is wrong with them. Never raises."""

    @property
    def asking(self) -> int:
        """How many they are."""

    async def caught_up(self) -> None:
        """Return once those who come at present are here, or will not be."""


class Accepter:
    """Stores posts in groups and wakes the workers for them.

    ``coming``: those that a commit may wait for.
    """

    def __init__(
        self,
        db: Database,
        publisher: Publisher,
        grace: timedelta,
        coming: Coming | None = None,
    ) -> None:
        self._db = db
        self._publisher = publisher
        self._grace = grace
        self._coming = coming
        self._waiting: list[_Waiting] = []
        self._wake = asyncio.Event()
        self._closing = False
        self._publishes: set[asyncio.Task[None]] = set()
        self._task = asyncio.create_task(self._run())

    async def accept(self, post: Accept, *, keyed: bool) -> Accepted:
        """Store ``post``; returns once it is committed (majority, journaled).

        Raises `StoreUnavailableError`: then a post without a key may or may not be stored.
        """
        if len(self._waiting) >= MOST_WAITING:
            raise StoreUnavailableError("too many posts wait for MongoDB")
        done: asyncio.Future[Accepted] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(post, keyed, done, traces.here()))
        self._wake.set()
        return await done

    async def close(self) -> None:
        """Commit what waits and what is under way, and give its publishing a moment."""
        self._closing = True
        self._wake.set()
        await self._task
        await asyncio.gather(*self._publishes, return_exceptions=True)

    async def _run(self) -> None:
        while self._waiting or not self._closing:
            if self._waiting:
                await self._gather()
                await self._commit_next()
            else:
                self._wake.clear()
                await self._wake.wait()

    async def _gather(self) -> None:
        """Wait once for those who come, if they are more than those who wait."""
        coming = self._coming
        if coming is not None and len(self._waiting) < coming.asking:
            await coming.caught_up()

    async def _commit_next(self) -> None:
        group = self._take()
        try:
            # Its publishing takes the span along: it is in the trace of a lone post, and linked to
            # those of several.
            with _span(group):
                await self._commit(group)
        except StoreUnavailableError as error:
            # The next groups would only find out the same, ten seconds each.
            gone, self._waiting = self._waiting, []
            for waiting in (*group, *gone):
                waiting.fail(error)
        except Exception as error:
            log.exception("commit_failed", posts=len(group))
            for waiting in group:
                waiting.fail(error)

    def _take(self) -> list[_Waiting]:
        # Who was answered meanwhile (503, MongoDB is away) may have asked again since.
        self._waiting = [w for w in self._waiting if not w.done.done()]
        size = deliveries = 0
        for waiting in self._waiting[:MOST_POSTS]:
            deliveries += len(waiting.post.deliveries)
            if size and deliveries > MOST_DELIVERIES:
                break
            size += 1
        taken, self._waiting = self._waiting[:size], self._waiting[size:]
        return _merged(taken)

    async def _commit(self, group: list[_Waiting]) -> None:
        fresh = await self._answer_known(group)
        if not fresh:
            return
        try:
            await notifications.accept(self._db, [w.post for w in fresh], self._grace)
        except AcceptConflictError:
            await self._in_halves(fresh)
        else:
            self._stored(fresh)

    async def _answer_known(self, group: list[_Waiting]) -> list[_Waiting]:
        """Answer those whose key is stored already; returns the others."""
        keyed = [w.id for w in group if w.keyed]
        known = await notifications.stored(self._db, keyed) if keyed else {}
        for waiting in group:
            if waiting.id in known:
                waiting.finish(known[waiting.id], replayed=True)
        return [w for w in group if w.id not in known]

    async def _in_halves(self, group: Sequence[_Waiting]) -> None:
        """One of the group met a twin in another process, or the server aborted all of them.

        The look-up before each commit answers the twins that are stored by then; what is left of
        the half without any is stored with it.
        """
        if len(group) == 1:
            await self._alone(group[0])
            return
        middle = len(group) // 2
        await self._commit(list(group[:middle]))
        await self._commit(list(group[middle:]))

    async def _alone(self, waiting: _Waiting) -> None:
        for _ in range(ALONE_TRIES):
            if not await self._answer_known([waiting]):
                return
            try:
                await notifications.accept(self._db, [waiting.post], self._grace)
            except AcceptConflictError as error:
                log.info("commit_conflict", reason=str(error))
            else:
                self._stored([waiting])
                return
        waiting.fail(StoreUnavailableError("the transaction was aborted again and again"))

    def _stored(self, group: Sequence[_Waiting]) -> None:
        for waiting in group:
            waiting.finish(_as_stored(waiting.post), replayed=False)
        if len(self._publishes) >= MOST_PUBLISHES:
            log.warning("publish_left_to_sweep", posts=len(group))
            return
        task = asyncio.create_task(self._publish([w.post for w in group]))
        self._publishes.add(task)
        task.add_done_callback(self._publishes.discard)

    async def _publish(self, posts: Sequence[Accept]) -> None:
        by_lane: dict[Lane, list[NewDelivery]] = {}
        to_expand: list[UUID] = []
        for post in posts:
            if _expands_now(post.notification):
                to_expand.append(post.notification.id)
            if post.deliveries:
                by_lane.setdefault(post.notification.lane, []).extend(post.deliveries)
        publishes: list[Coroutine[Any, Any, object]] = [
            *(publish_new(self._publisher, new) for new in by_lane.values()),
            *(self._publisher.publish_expansion(i) for i in to_expand),
        ]
        await together(publishes)


def _span(group: Sequence[_Waiting]) -> AbstractContextManager[Span]:
    if not traces.are_on():
        return traces.OFF
    posts = [post for waiting in group for post in (waiting, *waiting.twins)]
    lineage = gathered(post.requested_in for post in posts)
    return traces.span("commit", lineage, attributes={"fogbell.posts": len(group)})


def _expands_now(notification: Notification) -> bool:
    n = notification
    return n.expanded_at is None and (n.send_at is None or n.send_at <= (n.created_at or n.send_at))


def _merged(taken: Sequence[_Waiting]) -> list[_Waiting]:
    """One of each id: the others of one commit wait for its answer."""
    first: dict[UUID, _Waiting] = {}
    for waiting in taken:
        known = first.setdefault(waiting.id, waiting)
        if known is not waiting:
            known.twins.append(waiting)
    return list(first.values())


def _as_stored(post: Accept) -> Stored:
    n = post.notification
    assert n.created_at is not None
    return Stored(n.request_hash, n.created_at, post.answered_status, n.expected)
