"""Asking one provider once. Whatever it does, it ends as an `Attempt`: a stranger's code is called
here, and a defect in it must cost no other delivery, no slot, and no breaker.
"""

import asyncio
import traceback
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import structlog
from opentelemetry.trace import SpanKind

from fogbell.model.outcome import Attempt, Outcome, Reply
from fogbell.rendering import RenderedPart
from fogbell.telemetry import traces
from fogbell_worker.providers.gate import BUSY, Gate, Hold
from fogbell_worker.providers.interface import BusyError, Checks, Message, Provider
from fogbell_worker.tracing import tell_reply

log = structlog.get_logger(__name__)

OVERRUN = 0.25
"""Seconds past its deadline after which a send is cancelled: a provider's own words are better."""

CLOSING = 2.0
"""Seconds that a provider may take to close."""

_SIMULATED = Reply(Outcome.ACCEPTED, code="simulated")

Rendered = Message[RenderedPart, Any]


@dataclass(frozen=True, slots=True)
class Route:
    """One provider of a channel, and the way to it.

    ``kind`` is the entry point's name; ``send_timeout`` is in seconds, for one try.
    """

    name: str
    kind: str
    provider: Provider[Any]
    gate: Gate
    send_timeout: float


async def ask(route: Route, ticket: int, message: Rendered, end: float) -> Attempt | Hold:
    """Send, until ``end`` or the provider's own time limit. ``ticket`` is the gate's."""
    started, now = datetime.now(UTC), asyncio.get_running_loop().time()
    deadline = min(end, now + route.send_timeout)
    if deadline != message.deadline:
        message = replace(message, deadline=deadline)
    try:
        reply = await _traced_reply(route, message)
    except BusyError:
        route.gate.abandon(ticket)
        return Hold(BUSY, 0.0)
    except BaseException:
        route.gate.abandon(ticket)
        raise
    route.gate.leave(ticket, reply)
    return Attempt(route.name, started, datetime.now(UTC), reply)


def simulate(route: Route, message: Rendered) -> Attempt:
    """Everything but the provider's call."""
    started = datetime.now(UTC)
    try:
        provider = route.provider
        refusal = provider.check(message) if isinstance(provider, Checks) else None
    except Exception as error:
        refusal = _internal_error(route, message, error, Outcome.PERMANENT)
    return Attempt(route.name, started, datetime.now(UTC), refusal or _SIMULATED)


async def close(route: Route) -> None:
    """Close the provider, or give it up: others are still to be closed."""
    try:
        async with asyncio.timeout(CLOSING):
            await route.provider.close()
    except Exception:
        # Code of others, at the end of all: nothing is left to do with it but to say so.
        log.exception("provider_not_closed", provider=route.name)


async def _traced_reply(route: Route, message: Rendered) -> Reply:
    if not traces.are_on():
        return await _reply(route, message)
    provider = {"fogbell.provider": route.name}
    with traces.span(f"send {route.name}", kind=SpanKind.CLIENT, attributes=provider) as span:
        reply = await _reply(route, message)
        tell_reply(span, reply)
        return reply


async def _reply(route: Route, message: Rendered) -> Reply:
    try:
        async with asyncio.timeout_at(message.deadline + OVERRUN):
            return _as_reply(await route.provider.send(message))
    except TimeoutError:
        detail = "the provider did not end in time"
        return Reply(Outcome.AMBIGUOUS, reason="timeout", detail=detail)
    except BusyError:
        raise
    except Exception as error:
        return _internal_error(route, message, error, Outcome.AMBIGUOUS)


def _as_reply(answer: object) -> Reply:
    if not isinstance(answer, Reply):
        raise TypeError(f"expected a Reply, not a {type(answer).__name__}")
    return answer


def _internal_error(route: Route, message: Rendered, error: Exception, outcome: Outcome) -> Reply:
    """Log where it happened, not what it said: an exception's text may hold content."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    log.error(
        "provider_internal_error",
        delivery=str(message.delivery_id),
        provider=route.name,
        error=type(error).__name__,
        where=f"{frame.name}:{frame.lineno}",
    )
    return Reply(outcome, reason="internal_error", detail=type(error).__name__)
