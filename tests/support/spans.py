"""Spans of the test's own process, kept instead of sent."""

import contextlib
from collections.abc import Iterator, Mapping

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, Sampler
from opentelemetry.trace import SpanContext, TraceFlags

from fogbell.telemetry import traces


class Spans:
    """What has ended so far."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    @property
    def names(self) -> list[str]:
        """In the order of their ends."""
        return [span.name for span in self._exporter.get_finished_spans()]

    def one(self, name: str) -> ReadableSpan:
        """The only span of that name."""
        (found,) = self.all(name)
        return found

    def all(self, name: str) -> list[ReadableSpan]:
        """The spans of that name, in the order of their ends."""
        return [span for span in self._exporter.get_finished_spans() if span.name == name]


@contextlib.contextmanager
def spans_kept(sampler: Sampler | None = None) -> Iterator[Spans]:
    """Turn traces on within the block; without a ``sampler`` by the SDK's default."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=sampler or ParentBased(ALWAYS_ON), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    traces.use(provider.get_tracer("tests"))
    try:
        yield Spans(exporter)
    finally:
        traces.use(None)
        provider.shutdown()


def context(trace: int, span: int = 1, *, sampled: bool = True) -> SpanContext:
    """A span of another process."""
    return SpanContext(trace, span, is_remote=True, trace_flags=TraceFlags(sampled))


def attributes(span: ReadableSpan) -> Mapping[str, object]:
    """A span's attributes."""
    return dict(span.attributes or {})


def parent_of(span: ReadableSpan) -> tuple[int, int] | None:
    """The ids of a span's parent: of the trace, and of the span."""
    return None if span.parent is None else ids(span.parent)


def ids(known: SpanContext | None) -> tuple[int, int]:
    """The ids of a span: of its trace, and its own."""
    assert known is not None
    return known.trace_id, known.span_id


def links_of(span: ReadableSpan) -> set[tuple[int, int]]:
    """The ids of what a span is linked to."""
    return {ids(link.context) for link in span.links}
