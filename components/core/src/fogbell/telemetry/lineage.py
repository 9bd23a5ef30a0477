"""Whose child a span is, and what it is linked to. Pure.

A parent makes a span a part of the parent's trace. A link says that two traces have to do with each
other, and leaves both as they are: so one trace stays small, however much follows from it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from opentelemetry.trace import SpanContext

MOST_LINKS = 32
"""Links of one span: those of a batch of hundreds say no more, and each is sent and stored."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """``parent`` None: the span begins a trace of its own."""

    parent: SpanContext | None = None
    links: tuple[SpanContext, ...] = ()


def linked(*origins: SpanContext | None) -> Lineage:
    """A trace of its own, linked to those of ``origins`` that are sampled: others lead nowhere."""
    sampled = [o for o in _distinct(origins) if o is not None and o.trace_flags.sampled]
    return Lineage(links=tuple(sampled[:MOST_LINKS]))


def gathered(origins: Iterable[SpanContext | None]) -> Lineage:
    """Of work that is done once for several origins: a child where they are one and the same.

    Else none of them is the parent, or it would have spans that are not its own; the trace is
    linked to all.
    """
    several = _distinct(origins)
    return Lineage(several[0]) if len(several) == 1 else linked(*several)


def _distinct(origins: Iterable[SpanContext | None]) -> list[SpanContext | None]:
    """Each once, by its ids: as a whole it has no hash."""
    return list({o and (o.trace_id, o.span_id): o for o in origins}.values())
