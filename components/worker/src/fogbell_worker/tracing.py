"""The spans of a worker: of a batch's claim, and of each delivery that is sent."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

from opentelemetry.trace import Span, SpanContext, SpanKind

from fogbell.broker import Received
from fogbell.model.delivery import Claimed
from fogbell.model.outcome import Attempt, Deferred, Outcome, Reply
from fogbell.model.status import Lane
from fogbell.telemetry import traces
from fogbell.telemetry.lineage import Lineage, gathered, linked
from fogbell_worker.lane_settings import LaneSettings
from fogbell_worker.sending import Work

SAME_TRACE = timedelta(minutes=1)
"""How long after its post a first try is part of the post's trace: backends take a trace that has
been still for that long as complete."""


def claim_span(
    messages: Sequence[Received], deliveries: int, settings: LaneSettings
) -> AbstractContextManager[Span]:
    """A batch's claim. In the trace of its messages if they share one; of bulk it never is, or
    that of a large run would have a span for each of its messages.
    """
    if not traces.are_on():
        return traces.OFF
    origins = [message.published_in for message in messages]
    lineage = linked(*origins) if settings.lane is Lane.BULK else gathered(origins)
    attributes: traces.Attributes = {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "claim",
        "messaging.operation.type": "process",
        "messaging.batch.message_count": len(messages),
        "fogbell.channel": settings.channel.value,
        "fogbell.lane": settings.lane.value,
        "fogbell.deliveries": deliveries,
    }
    name = f"claim {settings.channel.value}.{settings.lane.value}"
    return traces.span(name, lineage, kind=SpanKind.CONSUMER, attributes=attributes)


def deliver_span(work: Work, claim: SpanContext | None) -> AbstractContextManager[Span]:
    """One try of a delivery; none where its notification was not traced."""
    if not traces.are_on():
        return traces.OFF
    posted = traces.stored(work.notification.traceparent)
    if posted is None:
        return traces.OFF
    delivery = work.delivery
    attributes: traces.Attributes = {
        "fogbell.delivery": str(delivery.id),
        "fogbell.notification": str(delivery.notification_id),
        "fogbell.channel": delivery.channel.value,
        "fogbell.lane": delivery.lane.value,
        "fogbell.attempt": delivery.attempt_count + 1,
    }
    lineage = placed(delivery, posted, claim, datetime.now(UTC))
    return traces.span(f"deliver {delivery.channel.value}", lineage, attributes=attributes)


def placed(
    delivery: Claimed, posted: SpanContext, claim: SpanContext | None, now: datetime
) -> Lineage:
    """Where the span of a try belongs: the first of a transactional delivery to the trace in which
    its notification was ``posted``. Every other is a trace of its own: a later one may come days
    after the post, and bulk has a million of them.

    A scheduled post is first tried days later, too; and what is put back untried, since a limit or
    a provider makes it wait, has no attempt that counts, however often that goes on.
    """
    tried = delivery.attempt_count or delivery.lost_leases or delivery.replays
    if tried or delivery.lane is Lane.BULK or now - delivery.since > SAME_TRACE:
        return linked(posted, claim)
    return Lineage(posted, linked(claim).links)


def tell_sent(span: Span, sent: Attempt | Deferred) -> None:
    """Say what came of a try."""
    if not span.is_recording():
        return
    if isinstance(sent, Attempt):
        span.set_attribute("fogbell.provider", sent.provider)
        tell_reply(span, sent.reply)
    else:
        span.set_attributes({"fogbell.outcome": "deferred", "fogbell.reason": sent.reason})


def tell_reply(span: Span, reply: Reply) -> None:
    """Say what a provider answered: never in its own words, which may quote the message."""
    if not span.is_recording():
        return
    span.set_attribute("fogbell.outcome", reply.outcome.value)
    told = {"fogbell.reason": reply.reason, "fogbell.code": reply.code}
    span.set_attributes({name: word for name, word in told.items() if word})
    if reply.outcome is not Outcome.ACCEPTED:
        traces.failed(span, reply.reason or reply.outcome.value)


def trace_record(recorded: "asyncio.Future[bool]") -> None:
    """A span from now until what came of a try is written down: it may wait for company."""
    if traces.are_on():
        span = traces.begun("record")
        recorded.add_done_callback(lambda _: span.end())
