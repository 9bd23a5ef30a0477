"""A collector of traces, as OpenTelemetry's is asked: OTLP over HTTP, decoded and kept."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from tests.support.waiting import eventually

Ids = tuple[str, str]
"""A span's: of its trace, and its own."""


@dataclass(frozen=True)
class Seen:
    """One span; its ids in hexadecimal digits, ``parent`` None where it began its trace."""

    service: str
    name: str
    kind: str
    ids: Ids
    parent: Ids | None
    links: Set[Ids]
    attributes: Mapping[str, str | int]
    failed: bool

    @property
    def trace(self) -> str:
        return self.ids[0]


@dataclass
class Collector:
    """What has come so far: as spans, and as bytes."""

    port: int
    spans: list[Seen] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        self.bodies.append(body)
        for part in request.resource_spans:
            service = str(_attributes(part.resource.attributes)["service.name"])
            found = (span for scope in part.scope_spans for span in scope.spans)
            self.spans.extend(_seen(service, span) for span in found)

    def of(self, trace: str, name: str | None = None) -> list[Seen]:
        """The spans of one trace, or those of them with a name."""
        return [s for s in self.spans if s.trace == trace and name in (None, s.name)]

    def linked_to(self, trace: str, name: str) -> list[Seen]:
        """Spans of that name in other traces, with a link to a span of ``trace``."""
        found = (s for s in self.spans if s.name == name and s.trace != trace)
        return [s for s in found if any(link[0] == trace for link in s.links)]

    async def one(self, trace: str, name: str) -> Seen:
        """The one span of that name in a trace, once it has come."""
        return await _only(lambda: self.of(trace, name))

    async def one_linked(self, trace: str, name: str) -> Seen:
        """As `linked_to`, the one that there is, once it has come."""
        return await _only(lambda: self.linked_to(trace, name))


async def _only(find: Callable[[], list[Seen]]) -> Seen:
    (found,) = await eventually(find, 20)
    return found


def settings(port: int) -> dict[str, str]:
    """What turns traces on, to a collector at that port of the loopback interface."""
    return {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "NO_PROXY": "127.0.0.1",
    }


@contextlib.contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            collector.take(self.rfile.read(int(self.headers["Content-Length"])))
            body = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        collector = Collector(server.server_port)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield collector
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def hanging() -> Iterator[int]:
    """The port of a collector that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def _seen(service: str, span: Span) -> Seen:
    trace = span.trace_id.hex()
    return Seen(
        service=service,
        name=span.name,
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        ids=(trace, span.span_id.hex()),
        parent=(trace, span.parent_span_id.hex()) if span.parent_span_id else None,
        links=frozenset((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        attributes=_attributes(span.attributes),
        failed=span.status.code == Status.STATUS_CODE_ERROR,
    )


def _attributes(given: Iterable[KeyValue]) -> dict[str, str | int]:
    return {
        one.key: one.value.int_value if one.value.HasField("int_value") else one.value.string_value
        for one in given
    }
