"""Whether a provider may be asked now: its breaker and its rate, one for all lanes of a process."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import structlog

from fogbell.model.outcome import Reply
from fogbell.model.status import Channel, Lane
from fogbell.store.database import StoreUnavailableError
from fogbell_worker.providers.breaker import Breaker, BreakerRules, State

log = structlog.get_logger(__name__)

UNAVAILABLE, RATE_LIMITED, BUSY = "provider_unavailable", "rate_limited", "provider_busy"
UNTOLD_PAUSE = 1.0
"""Seconds to wait where nobody can say what the rate allows: the limit holds all the same."""

YIELD_PAUSE = 0.2
"""Seconds after which bulk looks again whether the other lane still waits for the rate."""

OnBreaker = Callable[[Channel, str, bool], None]
"""Told of a provider's breaker: channel, provider, and whether it is open."""


class Rate(Protocol):
    """A limit over all replicas, as `fogbell.limiting.Limiter` keeps it."""

    async def try_acquire(self, n: int = 1) -> float:
        """0.0: granted; else the seconds after which to ask again."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Not now: why, and for how many seconds at least."""

    reason: str
    seconds: float


class Gate:
    """The way to one provider. ``on_breaker`` is told at once, and at each change."""

    def __init__(
        self,
        channel: Channel,
        provider: str,
        rules: BreakerRules,
        rate: Rate | None = None,
        on_breaker: OnBreaker = lambda _channel, _provider, _is_open: None,
    ) -> None:
        self._channel = channel
        self.provider = provider
        self._breaker = Breaker(rules)
        self._rate = rate
        self._tell = on_breaker
        self._urgent = 0
        on_breaker(channel, provider, False)

    async def enter(self, lane: Lane, by: float) -> "int | Hold":
        """A ticket, to be given to `leave` or `abandon`; or `Hold`. ``by`` is when what enters has
        to be through, on the event loop's clock: MongoDB may be slow to tell what the rate allows.
        """
        now = asyncio.get_running_loop().time
        if seconds := self._breaker.wait(now()):
            return Hold(UNAVAILABLE, seconds)
        # The rate first, for it takes time: a probe is let through only if it goes at once.
        if self._rate is not None and (seconds := await self._limited(self._rate, lane, by)):
            return Hold(RATE_LIMITED, seconds)
        ticket = self._breaker.begin(now())
        return Hold(UNAVAILABLE, self._breaker.wait(now())) if ticket is None else ticket

    def leave(self, ticket: int, reply: Reply) -> None:
        """The provider answered, or was given up."""
        before, now = self._breaker.state, asyncio.get_running_loop().time()
        if reply.provider_failed:
            self._breaker.failed(ticket, now)
        else:
            self._breaker.succeeded(ticket, now)
        if self._breaker.state is not before:
            self._changed(before, reply)

    def abandon(self, ticket: int) -> None:
        """The send was cancelled."""
        self._breaker.abandoned(ticket, asyncio.get_running_loop().time())

    @contextlib.contextmanager
    def awaited(self, lane: Lane) -> Iterator[None]:
        """While a transactional send waits, bulk takes nothing of what the rate allows: a campaign
        that uses it up would hold a password reset back as well.
        """
        urgent = lane is Lane.TRANSACTIONAL
        self._urgent += urgent
        try:
            yield
        finally:
            self._urgent -= urgent

    async def _limited(self, rate: Rate, lane: Lane, by: float) -> float:
        if self._urgent and lane is Lane.BULK:
            return YIELD_PAUSE
        try:
            async with asyncio.timeout_at(by):
                return await rate.try_acquire()
        except (StoreUnavailableError, TimeoutError):
            return UNTOLD_PAUSE
        except Exception:  # a defect
            log.exception("provider_rate_untold", provider=self.provider)
            return UNTOLD_PAUSE

    def _changed(self, before: State, reply: Reply) -> None:
        is_open = self._breaker.state is not State.CLOSED
        self._tell(self._channel, self.provider, is_open)
        tell = log.warning if is_open else log.info
        tell(
            "provider_breaker",
            channel=self._channel.value,
            provider=self.provider,
            before=before.value,
            after=self._breaker.state.value,
            reason=reply.reason,
            code=reply.code,
        )
