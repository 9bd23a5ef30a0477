"""The span of a request: named by its route, as the log and the metrics are, never by its path."""

from collections.abc import Iterable
from contextlib import AbstractContextManager

from opentelemetry.trace import Span, SpanContext, SpanKind
from starlette.types import Scope

from fogbell.telemetry import traces
from fogbell.telemetry.lineage import Lineage

UNMATCHED = "unmatched"
"""Stands for the route of a request that no route takes."""


def request_span(scope: Scope, request_id: str) -> AbstractContextManager[Span]:
    """A request's span, in the trace that its ``traceparent`` names, if it names one."""
    if not traces.are_on():
        return traces.OFF
    method: str = scope["method"]
    attributes = {"http.request.method": method, "fogbell.request_id": request_id}
    lineage = Lineage(incoming(scope["headers"]))
    return traces.span(method, lineage, kind=SpanKind.SERVER, attributes=attributes)


def incoming(headers: Iterable[tuple[bytes, bytes]]) -> SpanContext | None:
    """Whom a request's headers (names in lower case) name as its parent.

    What is wrong, or comes more than once, is ignored (W3C Trace Context, section 4.3).
    """
    parents = [value.decode("latin-1") for name, value in headers if name == b"traceparent"]
    return traces.extracted({"traceparent": parents[0]}) if len(parents) == 1 else None


def name_span(span: Span, method: str, route: str, status: int | None) -> None:
    """Say what became of a request: ``status`` is None where its client left before an answer."""
    if not span.is_recording():
        return
    if route != UNMATCHED:
        span.update_name(f"{method} {route}")
        span.set_attribute("http.route", route)
    if status is None:
        return
    span.set_attribute("http.response.status_code", status)
    if status >= 500:  # what the client did wrong is no failure of the server's
        traces.failed(span, str(status))
