"""Expanding an audience under a lease, in bounded memory (protocol step 10).

Pages are inserted and published several at once; the cursor moves only over the contiguous
prefix of pages that are done, so a resumed expansion misses nobody.
"""

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from opentelemetry.trace import Span

from fogbell.broker import Publisher
from fogbell.expansion.audience import ahead, audience_pages
from fogbell.expansion.checkpoints import Checkpoints, LeaseLostError
from fogbell.expansion.plan import Contents, Planner
from fogbell.expansion.storing import LookUp, Storing
from fogbell.model.notification import Notification
from fogbell.store import expansions, templates
from fogbell.store.claims import new_token
from fogbell.store.database import Database, StoreUnavailableError
from fogbell.store.expansions import ExpansionLease
from fogbell.telemetry import traces
from fogbell.telemetry.lineage import Lineage, linked

log = structlog.get_logger(__name__)

PAGE = 1000
"""People a page: large enough for one insert to pay, small enough to be lost cheaply."""

PAGES_IN_FLIGHT = 3
PAGES_A_SECOND = 10
"""Of what is paced."""


@dataclass(frozen=True, slots=True)
class ExpansionSettings:
    """``lease`` and ``grace`` as for deliveries; ``look_after``: the first look for its end.

    After ``failures`` in a row, by a defect and without progress, an expansion is given up.
    """

    lease: timedelta = timedelta(seconds=60)
    grace: timedelta = timedelta(seconds=30)
    look_after: timedelta = timedelta(seconds=5)
    failures: int = 5


class ExpansionFailedError(Exception):
    """A defect has ended an expansion. ``given_up``: once too often, so it is not tried again."""

    def __init__(self, *, given_up: bool) -> None:
        super().__init__("it is given up" if given_up else "it is tried again")
        self.given_up = given_up


@dataclass(slots=True)
class Expansion:
    """What one run of the expander did. ``finished`` is False where the lease was lost."""

    inserted: int = 0
    finished: bool = False


class Expander:
    """Expands notifications, one call at a time each; safe to call for what is done already.

    ``on_unknown`` is called for each unknown variable in inbox content, ``on_inserted`` with how
    many deliveries of a page are new.
    """

    def __init__(
        self,
        db: Database,
        publisher: Publisher,
        settings: ExpansionSettings,
        on_unknown: Callable[[], None] | None = None,
        on_inserted: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._db = db
        self._publisher = publisher
        self._settings = settings
        self._on_unknown = on_unknown
        self._on_inserted = on_inserted

    async def expand(self, notification_id: UUID) -> Expansion | None:
        """Expand, or take up what was left half-way; None where nothing is due or it is leased.

        Raises `StoreUnavailableError`: the sweep queues it again; `ExpansionFailedError` where it
        ended by a defect.
        """
        token = new_token()
        lease = await expansions.take(self._db, notification_id, token, self._settings.lease)
        if lease is None:
            return None
        with _span(lease.notification) as span:
            expansion = await self._expand(lease, token)
            span.set_attribute("fogbell.inserted", expansion.inserted)
            return expansion

    async def _expand(self, lease: ExpansionLease, token: str) -> Expansion:
        notification_id, expansion = lease.notification.id, Expansion()
        try:
            await self._walk(lease, expansion)
            expansion.finished = await expansions.finish(
                self._db, notification_id, token, self._settings.look_after
            )
        except LeaseLostError:
            log.info("expansion_lease_lost", notification=str(notification_id))
            # A cancelled one is still held: only then is it known how much was made of it.
            await expansions.give_back(self._db, notification_id, token)
        except asyncio.CancelledError:
            # A shutdown: another process goes on at once instead of after the lease.
            with contextlib.suppress(StoreUnavailableError):
                await expansions.give_back(self._db, notification_id, token)
            raise
        except Exception as error:
            if isinstance(error, StoreUnavailableError):
                raise
            raise await self._failed(notification_id, token) from error
        return expansion

    async def _failed(self, notification_id: UUID, token: str) -> ExpansionFailedError:
        given_up = await expansions.fail(
            self._db,
            notification_id,
            token,
            limit=self._settings.failures,
            pause=self._settings.grace,
        )
        return ExpansionFailedError(given_up=given_up)

    async def _walk(self, lease: ExpansionLease, expansion: Expansion) -> None:
        planner = Planner(await load_contents(self._db, lease.notification), self._on_unknown)
        pace = Pace(lease.notification.throttle_per_second)
        under_way: deque[tuple[str, asyncio.Task[Counter[str]]]] = deque()
        checkpoints = Checkpoints(self._db, lease, self._settings.lease)
        storing = Storing(
            self._db,
            self._publisher,
            planner,
            LookUp(resumed=lease.resumed, enough=PAGES_IN_FLIGHT + 1),
            grace=self._settings.grace,
            on_inserted=self._on_inserted,
        )
        size = pace.page
        reach = lease.notification.channels if planner.takes_reach else None
        pages = audience_pages(self._db, lease.notification.audience, lease.cursor, size, reach)
        try:
            async with contextlib.aclosing(ahead(pages)) as read:
                async for page in read:
                    if under_way and under_way[-1][0][0] != page.cursor[0]:
                        # Somebody named, with data of their own, may come again in the directory:
                        # the first delivery inserted is the one that counts.
                        await self._finish_all(under_way, checkpoints, expansion)
                    await pace.wait(page.size)
                    under_way.append((page.cursor, asyncio.create_task(storing.page(page))))
                    if len(under_way) >= PAGES_IN_FLIGHT:
                        await self._finish_oldest(under_way, checkpoints, expansion)
            await self._finish_all(under_way, checkpoints, expansion)
        except LeaseLostError:
            # What is being inserted is inserted: a cancellation has to count all of it.
            await asyncio.gather(*(task for _, task in under_way), return_exceptions=True)
            raise
        finally:
            for _, task in under_way:
                task.cancel()
            await asyncio.gather(*(task for _, task in under_way), return_exceptions=True)

    async def _finish_all(
        self,
        under_way: deque[tuple[str, "asyncio.Task[Counter[str]]"]],
        checkpoints: Checkpoints,
        expansion: Expansion,
    ) -> None:
        while under_way:
            await self._finish_oldest(under_way, checkpoints, expansion)

    async def _finish_oldest(
        self,
        under_way: deque[tuple[str, "asyncio.Task[Counter[str]]"]],
        checkpoints: Checkpoints,
        expansion: Expansion,
    ) -> None:
        cursor, task = under_way[0]
        while not (await asyncio.wait({task}, timeout=checkpoints.renew_every))[0]:
            await checkpoints.renew()
        inserted = await task
        under_way.popleft()
        expansion.inserted += inserted.total()
        await checkpoints.reach(cursor, inserted)


def _span(notification: Notification) -> AbstractContextManager[Span]:
    """Of a campaign's run it is a part. Else it is a trace of its own, which is linked to the post:
    it may come days later, and take hours.
    """
    if not traces.are_on():
        return traces.OFF
    posted = linked(traces.stored(notification.traceparent))
    lineage = Lineage(traces.here(), posted.links)
    attributes = {"fogbell.notification": str(notification.id)}
    return traces.span("expand", lineage, attributes=attributes)


class Pace:
    """Keeps an expansion at ``per_second`` people; a start, or a resumption, makes no burst."""

    def __init__(self, per_second: int | None) -> None:
        self.per_second = per_second
        self._ready_at = time.monotonic()

    @property
    def page(self) -> int:
        """People a page: small where they are paced, or they would come in bursts of a second."""
        if self.per_second is None:
            return PAGE
        return max(1, min(PAGE, self.per_second // PAGES_A_SECOND))

    async def wait(self, people: int) -> None:
        """Wait until ``people`` more may be expanded."""
        if self.per_second is None:
            return
        now = time.monotonic()
        await asyncio.sleep(max(0.0, self._ready_at - now))
        self._ready_at = max(self._ready_at, now) + people / self.per_second


async def load_contents(db: Database, notification: Notification) -> Contents:
    """The notification's content, its template's pinned version read where it has one."""
    ref = notification.template
    template = await templates.get_pinned(db, ref.name, ref.version) if ref else None
    return Contents(notification, template)
