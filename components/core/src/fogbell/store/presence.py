"""Whether MongoDB has a primary, so that who cannot wait is told within seconds that it is away.

The driver looks for a primary for as long as an operation may take (with ``timeoutMS`` set its
``serverSelectionTimeoutMS`` has no say), and an operation may take 10 s.
"""

import asyncio
import contextlib
from collections.abc import Callable
from time import monotonic
from types import TracebackType

from pymongo.errors import PyMongoError

from fogbell.store.database import Database, StoreUnavailableError

PATIENCE = 2.5
"""Seconds without a primary that are waited out: a planned change of primaries takes less."""

LOOK_EVERY = 0.25
_AWAY = "MongoDB has had no primary for a while"


class Presence:
    """Watches for a primary in the background; `watch` is that work.

    It sees what the driver's monitor sees: a server that is gone or stepped down at once, one that
    is silent only after the driver has given it up.
    """

    def __init__(self, db: Database, patience: float = PATIENCE) -> None:
        """``patience`` is in seconds."""
        self._db = db
        self._patience = patience
        self._since: float | None = None
        self._away = False
        self._scopes: set[asyncio.Timeout] = set()

    def needed(self) -> "_Needed":
        """A block that is left when MongoDB is away for longer than the patience.

        Raises `StoreUnavailableError` then, and at once where it is away already. What the block
        asked MongoDB for may have been applied.
        """
        if self._away:
            raise self._gone()
        return _Needed(self._scopes, self._gone)

    def _gone(self) -> StoreUnavailableError:
        return self._db.away(_AWAY)

    async def watch(self) -> None:
        """Look for a primary, for ever."""
        while True:
            self._look()
            if self._since is not None:
                # It makes the driver look as well: by itself it would only every 10 s. A refusal
                # (no such user yet) is for those to tell who ask for something.
                with contextlib.suppress(StoreUnavailableError, PyMongoError):
                    await self._db.ping(LOOK_EVERY)
            await asyncio.sleep(LOOK_EVERY)

    def _look(self) -> None:
        now = monotonic()
        if self._db.client.topology_description.has_writable_server():
            self._since, self._away = None, False
            return
        self._since = now if self._since is None else self._since
        self._away = now - self._since >= self._patience
        if self._away:
            for scope in self._scopes:
                if not scope.expired():
                    scope.reschedule(asyncio.get_running_loop().time())


class _Needed:
    """`Presence.needed`. Each request enters one, and a generator's would cost twice as much."""

    __slots__ = ("_gone", "_scope", "_scopes")

    def __init__(
        self, scopes: set[asyncio.Timeout], gone: Callable[[], StoreUnavailableError]
    ) -> None:
        self._scopes = scopes
        self._gone = gone
        self._scope = asyncio.timeout(None)

    async def __aenter__(self) -> None:
        await self._scope.__aenter__()
        self._scopes.add(self._scope)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._scopes.discard(self._scope)
        try:
            await self._scope.__aexit__(kind, error, trace)
        except TimeoutError as late:
            raise self._gone() from late
        if isinstance(error, TimeoutError) and self._scope.expired():
            raise self._gone() from error
