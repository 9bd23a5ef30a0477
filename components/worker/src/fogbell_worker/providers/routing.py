"""Sending over one channel: render once, then walk its providers in order.

Within a claim the next provider is asked only where nothing was handed over and time is left. What
may have been handed over is never sent again under the same claim; the next attempt then begins at
another provider.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from fogbell.model.outcome import Attempt, Deferred, Fault, Outcome, Reply
from fogbell.model.status import Channel, Lane
from fogbell.rendering import RenderedPart, RenderingError
from fogbell.telemetry import traces
from fogbell_worker.channels.email.classify import scrub
from fogbell_worker.providers.asking import OVERRUN, Rendered, Route, ask, close, simulate
from fogbell_worker.providers.gate import BUSY, RATE_LIMITED, UNAVAILABLE, Hold
from fogbell_worker.providers.interface import Message
from fogbell_worker.providers.shapes import SHAPES
from fogbell_worker.rendering import Renderer
from fogbell_worker.sending import Work

NO_PROVIDER = "none"
"""What an attempt names where no provider was tried: an address's own word may be anything."""

LEAST_SHARE = 0.5
"""A provider is asked if this much of its time limit is left: what starts late ends unanswered."""

SHORTEST_WAIT = 0.05


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a lane waits for its providers.

    ``walk`` bounds one send over all providers; ``wait`` is how long a send waits where none may be
    asked; ``waiters`` bounds how many do so for providers that others of the lane do not need. In
    seconds.
    """

    walk: float
    wait: float
    waiters: int


def walk_limit(timeouts: Sequence[float], lease: float) -> float:
    """Seconds that a walk over providers with these time limits may take under such a lease.

    Half a lease, so that sends can still start in the other half; more only where one provider
    alone needs more.
    """
    return min(sum(timeouts), max(*timeouts, lease / 2))


class RoutedSender:
    """The `ChannelSender` of every channel that has providers; one for each lane.

    ``on_unknown`` is called for every unknown variable that was rendered as nothing. To be made
    and used within one event loop.
    """

    def __init__(
        self,
        channel: Channel,
        routes: Sequence[Route],
        patience: Patience,
        *,
        on_unknown: Callable[[], None] | None = None,
    ) -> None:
        self.channel = channel
        self._routes = tuple(routes)
        self._patience = patience
        self._shape = SHAPES[channel]
        self._renderer: Renderer[RenderedPart] = Renderer(channel, self._shape.rendered, on_unknown)
        self._waiting = 0

    @property
    def send_timeout(self) -> float:
        """Seconds after which `send` has certainly returned."""
        return self._patience.walk + OVERRUN

    async def send(self, work: Work) -> Attempt | Deferred:
        """Render, and try until somebody takes it. Raises only on cancellation."""
        end = asyncio.get_running_loop().time() + self._patience.walk
        routes = self._for(work)
        message = self._message(work, end)
        if isinstance(message, Reply):
            return _unasked(routes[0].name if routes else NO_PROVIDER, message)
        if not routes:
            detail = "the address names a push provider that this worker does not have"
            return _unasked(
                NO_PROVIDER, Reply(Outcome.PERMANENT, reason="no_provider", detail=detail)
            )
        if work.notification.origin.simulate:
            return _simulated(routes, message)
        walked = await _walk(routes, message, end)
        if isinstance(walked, Attempt):
            return walked
        return await self._waited(work, routes, message, end, walked)

    async def close(self) -> None:
        """Close every provider; sends under way must have ended."""
        for route in self._routes:
            await close(route)

    def _for(self, work: Work) -> Sequence[Route]:
        """The providers to ask, in order."""
        if work.push is not None and self.channel is Channel.PUSH:
            return self._named(work.push.provider)
        doubtful = work.delivery.doubtful
        if doubtful is None or len(self._routes) == 1:
            return self._routes
        behind = next((n for n, r in enumerate(self._routes, 1) if r.name == doubtful), 0)
        return self._routes[behind:] + self._routes[:behind]

    def _named(self, name: str) -> Sequence[Route]:
        """The one provider that an address names, or the first of the kind that it names: a token
        means nothing to another.
        """
        by_name = [route for route in self._routes if route.name == name]
        return (by_name or [route for route in self._routes if route.kind == name])[:1]

    def _message(self, work: Work, end: float) -> Rendered | Reply:
        address = self._shape.address(work)
        if address is None:
            return Reply(Outcome.PERMANENT, reason="no_address")
        try:
            with traces.span("render"):
                content = self._renderer.render(work)
        except RenderingError as error:
            return Reply(Outcome.PERMANENT, reason="template_error", detail=scrub(str(error)))
        except Exception as error:  # one strange part must not stop its batch
            return Reply(Outcome.PERMANENT, reason="template_error", detail=type(error).__name__)
        refusal = self._shape.refusal(content)
        if refusal is not None:
            return refusal
        delivery = work.delivery
        return Message(
            content=content,
            address=address,
            delivery_id=delivery.id,
            idempotency_key=delivery.idempotency_key,
            lane=delivery.lane,
            created_at=delivery.created_at,
            expires_at=work.notification.expires_at,
            deadline=end,
        )

    async def _waited(
        self, work: Work, routes: Sequence[Route], message: Rendered, end: float, walked: Hold
    ) -> Attempt | Deferred:
        """Nobody could be asked: walk again once the first may be, as long as patience lasts."""
        now = asyncio.get_running_loop().time
        longest = max(route.send_timeout for route in routes)
        until = min(now() + self._patience.wait, end - longest * LEAST_SHARE)
        while (left := until - now()) > 0 and not self._holds_up(work, routes, walked):
            await self._wait(routes, message.lane, min(max(walked.seconds, SHORTEST_WAIT), left))
            again = await _walk(routes, message, end)
            if isinstance(again, Attempt):
                return again
            walked = again
        return Deferred(walked.reason, walked.seconds)

    def _holds_up(self, work: Work, routes: Sequence[Route], hold: Hold) -> bool:
        """Whether others would wait for what they do not need, if ``work`` waited: a provider that
        is down, behind which everything waits that is to be tried alone, or other providers' slots.
        """
        if hold.reason == BUSY:  # it has waited already: what begins later ends unanswered
            return True
        if work.delivery.lost_leases and hold.reason == UNAVAILABLE:
            return True
        return len(routes) < len(self._routes) and self._waiting >= self._patience.waiters

    async def _wait(self, routes: Sequence[Route], lane: Lane, seconds: float) -> None:
        """Keep the slot: what waits here is not claimed, put back and claimed again meanwhile."""
        self._waiting += 1
        try:
            with contextlib.ExitStack() as waits:
                for route in routes:
                    waits.enter_context(route.gate.awaited(lane))
                await asyncio.sleep(seconds)
        finally:
            self._waiting -= 1


async def _walk(routes: Sequence[Route], message: Rendered, end: float) -> Attempt | Hold:
    """Ask one after the other; `Hold` where none could be asked."""
    tried: list[Attempt] = []
    held: list[Hold] = []
    now = asyncio.get_running_loop().time
    for route in routes:
        start_by = end - route.send_timeout * LEAST_SHARE
        if tried and now() > start_by:
            held.append(Hold(UNAVAILABLE, 0.0))
            continue
        entered = await route.gate.enter(message.lane, start_by)
        asked = entered if isinstance(entered, Hold) else await ask(route, entered, message, end)
        if isinstance(asked, Hold):
            held.append(asked)
        elif asked.reply.elsewhere:
            tried.append(asked)
        else:
            return replace(asked, earlier=tuple(tried)) if tried else asked
    if not tried:
        return _soonest(held)
    return _judged(tried, skipped=bool(held))


def _unasked(provider: str, reply: Reply) -> Attempt:
    now = datetime.now(UTC)
    return Attempt(provider, now, now, reply)


def _simulated(routes: Sequence[Route], message: Rendered) -> Attempt:
    """Walk as a send does, past whoever would leave the message to the next one."""
    tried: list[Attempt] = []
    for route in routes:
        tried.append(simulate(route, message))
        if not tried[-1].reply.elsewhere:
            break
    return _judged(tried, skipped=False)


def _judged(tried: Sequence[Attempt], *, skipped: bool) -> Attempt:
    """The last try with those before it. A refusal by this provider alone is final only where
    every other one has refused for good, too.
    """
    last, earlier = tried[-1], tuple(tried[:-1])
    hopeful = skipped or any(a.reply.outcome is Outcome.TRANSIENT for a in earlier)
    if hopeful and last.reply.outcome is Outcome.PERMANENT:
        reply = replace(last.reply, outcome=Outcome.TRANSIENT, fault=Fault.PROVIDER)
        last = replace(last, reply=reply)
    return replace(last, earlier=earlier) if earlier else last


def _soonest(held: Sequence[Hold]) -> Hold:
    reasons = {hold.reason for hold in held}
    reason = next((one for one in (BUSY, UNAVAILABLE) if one in reasons), RATE_LIMITED)
    return Hold(reason, min(hold.seconds for hold in held))
