"""Which events an app wants to be told: asked for each post, looked up once in a while."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from time import monotonic

from fogbell.model.endpoint import EventType
from fogbell.store import endpoints
from fogbell.store.database import Database

CACHE_SECONDS = 2.0
"""For so long after an endpoint came through another process, posts may not be told to it."""

_CACHED_APPS = 10_000


@dataclass(frozen=True, slots=True)
class _Known:
    events: "asyncio.Future[frozenset[EventType]]"
    believed_until: float


class WantedEvents:
    """What is looked up is believed for `CACHE_SECONDS`; posts at once share one lookup."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def of(self, app: str) -> frozenset[EventType]:
        """The events that ``app`` is to be told. Raises `StoreUnavailableError`."""
        known = self._known.get(app)
        if known is None or known.believed_until < monotonic():
            events = asyncio.ensure_future(endpoints.wanted(self._db, app))
            known = self._known[app] = _Known(events, monotonic() + CACHE_SECONDS)
            self._known.move_to_end(app)
            if len(self._known) > _CACHED_APPS:
                self._known.popitem(last=False)
        try:
            # A client that goes away must not take the answer from the others.
            return await asyncio.shield(known.events)
        except Exception:  # whatever it was, it is no answer to be believed
            if self._known.get(app) is known:
                del self._known[app]
            raise

    def forget(self, app: str) -> None:
        """Look again at the next post: an endpoint came or went through this process."""
        self._known.pop(app, None)
