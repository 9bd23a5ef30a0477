"""A request's span: whose child it is, what it is called, when it has failed."""

import pytest
from opentelemetry.trace import SpanKind, StatusCode
from tests.support.spans import attributes, ids, parent_of, spans_kept

from fogbell.telemetry import traces
from fogbell_intake.tracing import incoming, name_span, request_span

PARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE, SPAN = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
Headers = list[tuple[bytes, bytes]]


def test_a_request_goes_on_with_the_trace_that_it_names() -> None:
    scope = {"method": "POST", "headers": [(b"traceparent", PARENT)]}
    with spans_kept() as spans, request_span(scope, "r-1") as span:
        name_span(span, "POST", "/v1/notifications", 202)
    made = spans.one("POST /v1/notifications")
    assert (made.kind, parent_of(made)) == (SpanKind.SERVER, (TRACE, SPAN))
    assert attributes(made) == {
        "fogbell.request_id": "r-1",
        "http.request.method": "POST",
        "http.response.status_code": 202,
        "http.route": "/v1/notifications",
    }


def test_a_callers_tracestate_goes_nowhere() -> None:
    headers = [(b"tracestate", b"a=1"), (b"traceparent", PARENT), (b"tracestate", b"nonsense")]
    with spans_kept() as spans:
        found = incoming(headers)
        with request_span({"method": "GET", "headers": headers}, "r"):
            assert traces.injected().keys() == {"traceparent"}
    assert ids(found) == (TRACE, SPAN)
    assert found is not None
    made = spans.one("GET")
    assert made.context is not None
    assert not found.trace_state
    assert not made.context.trace_state


@pytest.mark.parametrize(
    "headers",
    [[], [(b"traceparent", b"\xff")], [(b"traceparent", PARENT)] * 2, [(b"x", PARENT)]],
)
def test_what_names_no_parent_or_two_begins_a_trace(headers: Headers) -> None:
    with spans_kept():
        assert incoming(headers) is None


def test_a_path_that_no_route_takes_is_in_no_name() -> None:
    with spans_kept() as spans, request_span({"method": "GET", "headers": []}, "r") as span:
        name_span(span, "GET", "unmatched", 404)
    made = spans.one("GET")
    assert "http.route" not in attributes(made)
    assert made.status.is_unset


@pytest.mark.parametrize(("status", "failed"), [(499, False), (503, True), (None, False)])
def test_only_the_servers_failures_are_failures(status: int | None, failed: bool) -> None:
    with spans_kept() as spans, request_span({"method": "GET", "headers": []}, "r") as span:
        name_span(span, "GET", "/v1/inbox", status)
    made = spans.one("GET /v1/inbox")
    assert (made.status.status_code is StatusCode.ERROR) is failed
