"""Inserting pages and publishing what is new of them."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from uuid import UUID

from fogbell.broker import InboxEvent, Publisher
from fogbell.expansion.audience import Page
from fogbell.expansion.chunking import chunked, chunks_of
from fogbell.expansion.plan import Planner
from fogbell.identity import recipient_hash
from fogbell.model.delivery import Alike, NewDelivery
from fogbell.model.recipient import Reach
from fogbell.model.status import Channel, DeliveryStatus
from fogbell.policy import expired
from fogbell.store import deliveries
from fogbell.store.database import Database
from fogbell.together import together

EVENT_ITEMS = 500


class LookUp:
    """Whether a page may have been inserted by an earlier start: then it is looked up first.

    An earlier start went on for half a second behind its last checkpoint, or longer where it
    could not write one, with several pages in flight. Once ``enough`` in a row, more than those,
    are not there, none behind them is. (Where that is wrong, an insert meets duplicates, which is
    slow and no harm.)
    """

    def __init__(self, *, resumed: bool, enough: int) -> None:
        self._enough = enough
        self._left = enough if resumed else 0

    @property
    def due(self) -> bool:
        """Whether to look the next page up."""
        return self._left > 0

    def seen(self, there: int) -> None:
        """A page was looked up, and so many of its deliveries were there."""
        self._left = self._enough if there else self._left - 1


class Storing:
    """Plans, inserts and publishes the pages of one expansion, several at once.

    ``on_inserted`` is called with how many deliveries of a page are new.
    """

    def __init__(
        self,
        db: Database,
        publisher: Publisher,
        planner: Planner,
        look_up: LookUp,
        *,
        grace: timedelta,
        on_inserted: Callable[[int], None],
    ) -> None:
        self._db = db
        self._publisher = publisher
        self._planner = planner
        self._look_up = look_up
        self._grace = grace
        self._on_inserted = on_inserted

    async def page(self, page: Page) -> Counter[str]:
        """Insert and publish a page; how many were really new, by channel."""
        # Asked for each page: a long expansion may outlast its notification.
        late = expired(self._planner.notification.expires_at, self._db.clock.now())
        skip = "expired" if late else None
        if page.reach is not None:
            return await self._of_reach(page.reach, skip)
        return await self._of_people(page, skip)

    async def _of_people(self, page: Page, skip: str | None) -> Counter[str]:
        new = await self._planner.deliveries(page.people, skip=skip)
        for recipient_id in page.deleted:
            new += self._planner.deleted(recipient_id)
        if there := await self._there(delivery.id for delivery in new):
            new = [delivery for delivery in new if delivery.id not in there]
        new = await deliveries.insert(self._db, chunked(new), self._grace)
        self._on_inserted(len(new))
        if new:
            await publish_new(self._publisher, new)
        return Counter(delivery.channel.value for delivery in new)

    async def _of_reach(self, reach: Reach, skip: str | None) -> Counter[str]:
        new = self._planner.of_reach(reach, skip)
        if there := await self._there(UUID(bytes=i) for alike in new for i in alike.ids):
            refused = {i.bytes for i in there}
            new = [alike.without(refused) for alike in new]
        new = [chunk for alike in new for chunk in chunks_of(alike)]
        new = await deliveries.insert_alike(self._db, new, self._grace)
        inserted: Counter[str] = Counter()
        for alike in new:
            inserted[alike.pattern.channel.value] += len(alike.ids)
        self._on_inserted(inserted.total())
        await _publish_alike(self._publisher, new)
        return inserted

    async def _there(self, ids: Iterable[UUID]) -> set[UUID]:
        """Which of them an earlier start has inserted, where that may be."""
        asked = list(ids) if self._look_up.due else []
        if not asked:
            return set()
        there = await deliveries.existing(self._db, asked)
        self._look_up.seen(len(there))
        return there


async def publish_new(publisher: Publisher, new: Sequence[NewDelivery]) -> None:
    """Wake the workers for what is pending and the inboxes for what is stored.

    Nothing is awaited of it but the attempt: what is not confirmed is the sweep's.
    """
    pending: dict[tuple[Channel, str | None], list[UUID | bytes]] = {}
    stored: list[tuple[str, UUID]] = []
    for delivery in new:
        if delivery.item is not None:
            stored.append((recipient_hash(delivery.recipient_id), delivery.id))
        elif delivery.status is DeliveryStatus.PENDING:
            pending.setdefault((delivery.channel, delivery.chunk), []).append(delivery.id)
    if pending:
        lane = new[0].lane
        await together(
            publisher.publish(channel, lane, ids, chunk=chunk)
            for (channel, chunk), ids in pending.items()
        )
    for start in range(0, len(stored), EVENT_ITEMS):
        await publisher.publish_event(InboxEvent(tuple(stored[start : start + EVENT_ITEMS])))


async def _publish_alike(publisher: Publisher, new: Sequence[Alike]) -> None:
    """As `publish_new`; no inbox item is like another."""
    pending = [
        (alike.pattern, alike.ids)
        for alike in new
        if alike.pattern.status is DeliveryStatus.PENDING and alike.ids
    ]
    await together(publisher.publish(p.channel, p.lane, ids, chunk=p.chunk) for p, ids in pending)
