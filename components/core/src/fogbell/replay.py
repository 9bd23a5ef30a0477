"""Putting deliveries back and waking the workers for them, a page after another."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from fogbell.broker import Publisher
from fogbell.store import replay_pages, replaying
from fogbell.store.database import Database
from fogbell.store.replay_pages import Page
from fogbell.store.replaying import Replay


@dataclass(frozen=True, slots=True)
class ReplayTimes:
    """``grace``: when the sweep publishes what nobody claimed; ``lease``: when another process may
    go on with the pages; ``look_after``: when it is first looked whether all is settled.
    """

    grace: timedelta
    lease: timedelta
    look_after: timedelta


@dataclass(slots=True)
class Replayed:
    """How many are back so far, and whether that is all."""

    deliveries: int = 0
    finished: bool = False


async def put_back(
    db: Database,
    publisher: Publisher,
    replay: Replay,
    times: ReplayTimes,
    pages: int | None = None,
) -> Replayed:
    """Put up to ``pages`` pages back (all where None); a replay that was stopped is finished."""
    done, after = Replayed(), None
    while pages is None or pages > 0:
        page = await replay_pages.page(db, replay, times.grace, times.lease, after)
        if page is None or page.last is None:
            if page is not None:
                await replaying.finish(db, replay, times.look_after)
            done.finished = True
            return done
        done.deliveries += page.replayed
        after = page.last
        await _publish(publisher, page)
        pages = None if pages is None else pages - 1
    return done


async def _publish(publisher: Publisher, page: Page) -> None:
    """What is not confirmed is the sweep's."""
    assert page.lane is not None
    ids: list[UUID]
    for channel, ids in page.together.items():
        await publisher.publish(channel, page.lane, ids)
    for channel, ids in page.alone.items():
        await publisher.publish(channel, page.lane, ids, alone=True)
