"""Spans of our own, for OpenTelemetry. Off, nothing of it costs more than a look.

The packages that trace libraries by themselves put URLs, addresses and statements into spans. Ours
carry ids, words and counts, never whom a message goes to or what it says: not even in the text of
an exception. `fogbell.telemetry.exporting` turns them on.
"""

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    Tracer,
    get_current_span,
    set_span_in_context,
    use_span,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from fogbell.telemetry.lineage import Lineage

Attributes = Mapping[str, str | int]

OFF: Final = contextlib.nullcontext(INVALID_SPAN)
"""Stands for a span that is not made."""

_W3C: Final = TraceContextTextMapPropagator()

_tracer: Tracer | None = None


def use(tracer: Tracer | None) -> None:
    """Make spans by ``tracer`` from now on, in the whole process; None: make none."""
    global _tracer
    _tracer = tracer


def are_on() -> bool:
    """Whether spans are made: to be asked before what only a span needs is put together."""
    return _tracer is not None


def span(
    name: str,
    lineage: Lineage | None = None,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Attributes | None = None,
) -> AbstractContextManager[Span]:
    """A span that is the current one until the block ends.

    Without a ``lineage`` it is a child of the current one, and is not made where there is none. An
    exception that leaves the block marks it as failed, by the name of its type alone.
    """
    if _tracer is None:
        return OFF
    if lineage is None:
        parent = here()
        if parent is None:
            return OFF
        lineage = Lineage(parent)
    links = [Link(context) for context in lineage.links]
    return _current(_tracer.start_span(name, _context(lineage.parent), kind, attributes, links))


def begun(name: str) -> Span:
    """A child of the current span, to be ended by whoever asked for it."""
    return INVALID_SPAN if _tracer is None or here() is None else _tracer.start_span(name)


def failed(span: Span, error_type: str) -> None:
    """Mark a span as failed; ``error_type`` is a word for the reason."""
    span.set_status(StatusCode.ERROR)
    span.set_attribute("error.type", error_type)


def current() -> Span:
    """The current span; what is done to it where there is none has no effect."""
    return INVALID_SPAN if _tracer is None else get_current_span()


def here() -> SpanContext | None:
    """The current span, for others to be children of or linked to; None where there is none."""
    if _tracer is None:
        return None
    context = get_current_span().get_span_context()
    return context if context.is_valid else None


def traceparent() -> str | None:
    """The current span as a W3C ``traceparent``, where it is sampled: to be stored, for those who
    come later.
    """
    known = here()
    return injected()["traceparent"] if known and known.trace_flags.sampled else None


def injected() -> dict[str, str]:
    """The current span as a ``traceparent`` header; nothing where there is none."""
    carrier: dict[str, str] = {}
    if _tracer is not None:
        _W3C.inject(carrier)
    carrier.pop("tracestate", None)  # a sampler may write one
    return carrier


def extracted(headers: Mapping[str, object]) -> SpanContext | None:
    """Whom a ``traceparent`` header names; None where it is missing or wrong, and while traces are
    off.

    ``tracestate`` is not looked at: it holds what a stranger likes, and each link would keep it.
    """
    header = headers.get("traceparent") if _tracer is not None else None
    if not isinstance(header, str):
        return None
    context = get_current_span(_W3C.extract({"traceparent": header})).get_span_context()
    return context if context.is_valid else None


def stored(header: str | None) -> SpanContext | None:
    """Whom a `traceparent` that was stored names; None as with `extracted`."""
    return None if header is None else extracted({"traceparent": header})


def _context(parent: SpanContext | None) -> Context:
    """An empty one where there is no parent: None would stand for the current span."""
    empty = Context()
    return empty if parent is None else set_span_in_context(NonRecordingSpan(parent), empty)


@contextlib.contextmanager
def _current(made: Span) -> Iterator[Span]:
    # What OpenTelemetry would record of an exception is its text and its stack.
    with use_span(made, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield made
        except Exception as error:
            failed(made, type(error).__qualname__)
            raise
