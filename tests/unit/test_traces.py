"""Which span belongs to which, what one carries, and that off there are none."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import INVALID_SPAN, SpanContext, StatusCode
from structlog.testing import CapturingLogger
from tests.support.spans import attributes, context, ids, links_of, parent_of, spans_kept

from fogbell.telemetry import exporting, traces
from fogbell.telemetry.exporting import wanted
from fogbell.telemetry.lineage import MOST_LINKS, Lineage, gathered, linked

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ORIGINS = st.lists(
    st.none() | st.builds(context, st.integers(1, 5), st.integers(1, 5), sampled=st.booleans())
)


def test_work_of_one_origin_is_its_child() -> None:
    assert gathered([context(1), context(1)]) == Lineage(context(1))


def test_work_of_several_origins_is_linked_to_each_and_a_child_of_none() -> None:
    assert gathered([context(1), context(2), context(1)]) == linked(context(1), context(2))
    assert gathered([context(1), None]) == Lineage(None, (context(1),))


def test_what_nobody_traces_is_linked_to_nothing() -> None:
    assert gathered([]) == gathered([None]) == gathered([None, None]) == Lineage()
    assert linked(None, context(1, sampled=False)) == Lineage()


def test_a_lone_origin_that_is_not_sampled_is_the_parent_so_its_children_are_not_either() -> None:
    assert gathered([context(1, sampled=False)]).parent == context(1, sampled=False)


@given(ORIGINS)
def test_a_span_has_a_parent_or_links_and_each_link_once(
    origins: list[SpanContext | None],
) -> None:
    lineage = gathered(origins)
    assert lineage.parent is None or not lineage.links
    named = [ids(link) for link in lineage.links]
    assert len(named) == len(set(named)) <= MOST_LINKS


def test_links_are_bounded() -> None:
    assert len(linked(*(context(1, n) for n in range(1, 100))).links) == MOST_LINKS


def test_off_nothing_is_made_and_nothing_is_carried() -> None:
    with traces.span("a", Lineage()) as span, traces.span("b", gathered([context(1)])) as other:
        assert span is other is traces.current() is INVALID_SPAN
        assert (traces.here(), traces.traceparent(), traces.injected()) == (None, None, {})
    assert traces.extracted({"traceparent": PARENT}) is None
    assert traces.stored(PARENT) is None


def test_a_span_without_a_lineage_is_a_child_or_none() -> None:
    with spans_kept() as spans:
        with traces.span("orphan"):
            assert traces.here() is None
        with traces.span("parent", Lineage()), traces.span("child"):
            pass
    assert spans.names == ["child", "parent"]
    assert parent_of(spans.one("child")) == ids(spans.one("parent").context)


def test_what_is_injected_is_extracted_and_no_state_is() -> None:
    with spans_kept():
        given = traces.extracted({"traceparent": PARENT, "tracestate": "vendor=1"})
        with traces.span("here", Lineage(given)):
            headers = traces.injected()
            assert headers.keys() == {"traceparent"}
            assert headers["traceparent"].startswith(PARENT[:36])
            found = traces.extracted(headers)
            assert ids(found) == ids(traces.here())
            assert traces.traceparent() == headers["traceparent"]


def test_only_what_is_sampled_is_stored() -> None:
    with spans_kept(ParentBased(ALWAYS_OFF)), traces.span("here", Lineage()):
        assert traces.here() is not None
        assert traces.traceparent() is None
        carried = traces.extracted(traces.injected())
        assert carried is not None
        assert not carried.trace_flags.sampled


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "nonsense",
        PARENT.replace("00-", "ff-", 1),
        PARENT[:-1],
        PARENT + "-more",
        PARENT.replace("b7ad6b7169203331", "0" * 16),
        PARENT.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32),
    ],
)
def test_a_wrong_traceparent_is_ignored(wrong: str) -> None:
    with spans_kept():
        assert traces.stored(wrong) is None


def test_headers_of_another_type_are_ignored() -> None:
    with spans_kept():
        assert traces.extracted({"traceparent": 7, "tracestate": ["a"]}) is None
        assert traces.extracted({"tracestate": "a=1"}) is None


def test_an_exception_fails_its_span_by_its_type_alone() -> None:
    with (
        spans_kept() as spans,
        pytest.raises(ValueError, match="ann@"),
        traces.span("a", Lineage()),
    ):
        raise ValueError("ann@example.org")
    span = spans.one("a")
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description is None
    assert span.events == ()
    assert attributes(span) == {"error.type": "ValueError"}


def test_a_cancelled_span_has_not_failed() -> None:
    with (
        spans_kept() as spans,
        pytest.raises(asyncio.CancelledError),
        traces.span("a", Lineage()),
    ):
        raise asyncio.CancelledError
    assert spans.one("a").status.is_unset


def test_links_are_on_the_span() -> None:
    with spans_kept() as spans, traces.span("a", gathered([context(1), context(2)])):
        pass
    assert parent_of(spans.one("a")) is None
    assert links_of(spans.one("a")) == {(1, 1), (2, 1)}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, False),
        ({"OTEL_TRACES_EXPORTER": ""}, False),
        ({"OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": " OTLP "}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "false"}, True),
        (
            {
                "OTEL_TRACES_EXPORTER": "otlp",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            },
            True,
        ),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_HEADERS": "a=b, c=d==,"}, True),
    ],
)
def test_one_variable_turns_traces_on(environ: dict[str, str], expected: bool) -> None:
    assert wanted(environ) is expected


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        (
            {"OTEL_TRACES_EXPORTER": "jaeger"},
            "OTEL_TRACES_EXPORTER is wrong: expected 'otlp' or 'none', not 'jaeger'.",
        ),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_PROTOCOL is wrong: expected 'http/protobuf', which collectors take"
            " at port 4318, not 'grpc'.",
        ),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_HEADERS": "a=b, s3cret"},
            "OTEL_EXPORTER_OTLP_HEADERS is wrong: expected name=value, separated by commas.",
        ),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "s3cret"},
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS is wrong: expected name=value, separated by commas.",
        ),
    ],
)
def test_what_is_not_offered_is_refused(environ: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        wanted(environ)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "10"),  # less than a batch
        ("OTEL_BSP_SCHEDULE_DELAY", "0"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "-1"),
    ],
)
def test_what_the_sdk_refuses_costs_the_traces_and_not_the_process(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    heard = CapturingLogger()
    monkeypatch.setattr(exporting, "log", heard)
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setenv(variable, value)
    with exporting.traced("test"):
        assert not traces.are_on()
    assert [call.args for call in heard.calls] == [("traces_not_begun",)]


def test_a_collector_that_hangs_is_waited_for_only_so_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Hanging(TracerProvider):
        def shutdown(self) -> None:
            released.wait()

    released, heard = threading.Event(), CapturingLogger()
    monkeypatch.setattr(exporting, "_provider", lambda _: Hanging(shutdown_on_exit=False))
    monkeypatch.setattr(exporting, "FLUSH_SECONDS", 0.01)
    monkeypatch.setattr(exporting, "log", heard)
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    with exporting.traced("test"):
        assert traces.are_on()
    assert not traces.are_on()
    assert [call.args for call in heard.calls] == [("traces_not_flushed",)]
    released.set()


def _imported(code: str, environ: dict[str, str]) -> Sequence[str]:
    asked = [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"]
    found = subprocess.run(asked, env=environ, capture_output=True, text=True, check=True)
    return found.stdout.split()


def test_the_sdk_is_imported_only_where_traces_are_on() -> None:
    code = "from fogbell.telemetry.exporting import traced\nwith traced('test'): pass"
    assert "opentelemetry.sdk.trace" not in _imported(code, {})
    assert "google.protobuf" not in _imported(code, {})
    assert "opentelemetry.sdk.trace" in _imported(code, {"OTEL_TRACES_EXPORTER": "otlp"})
