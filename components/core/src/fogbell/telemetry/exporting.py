"""Turning traces on, and where they go: by OpenTelemetry's own variables.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ lists them. Here
`OTEL_TRACES_EXPORTER` is read, which is ``none`` by default; the SDK reads all others.
"""

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import structlog

from fogbell import __version__
from fogbell.telemetry import traces

if TYPE_CHECKING:  # `_provider` says why not always
    from opentelemetry.sdk.trace import TracerProvider

EXPORTER = "OTEL_TRACES_EXPORTER"
DISABLED = "OTEL_SDK_DISABLED"
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
HEADERS = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
HTTP = "http/protobuf"

FLUSH_SECONDS = 2.0
"""What a process waits at its end for a collector that is slow or away: the spans of its last
seconds are not worth more. Retry's window ends five seconds before the next one begins."""

log = structlog.get_logger(__name__)


def wanted(environ: Mapping[str, str]) -> bool:
    """Whether ``environ`` asks for traces; raises ValueError for what is not offered."""
    exporter = _word(environ, EXPORTER)
    if exporter not in ("", "none", "otlp"):
        raise ValueError(f"{EXPORTER} is wrong: expected 'otlp' or 'none', not {exporter!r}.")
    if exporter != "otlp" or _word(environ, DISABLED) == "true":
        return False
    for name in PROTOCOLS:
        protocol = _word(environ, name)
        if protocol not in ("", HTTP):
            raise ValueError(
                f"{name} is wrong: expected {HTTP!r}, which collectors take at port 4318,"
                f" not {protocol!r}."
            )
    _check_headers(environ)
    return True


def _check_headers(environ: Mapping[str, str]) -> None:
    """Raises ValueError, without the value: it may be a key. The SDK would log it and go on."""
    for name in HEADERS:
        items = environ.get(name, "").split(",")
        if any(item.strip() and not item.partition("=")[1] for item in items):
            raise ValueError(f"{name} is wrong: expected name=value, separated by commas.")


@contextlib.contextmanager
def traced(component: str) -> Iterator[None]:
    """Make and export spans until the block ends, if the environment asks for it."""
    provider = _begun(component) if wanted(os.environ) else None
    if provider is None:
        yield
        return
    traces.use(provider.get_tracer("fogbell", __version__))
    try:
        yield
    finally:
        traces.use(None)
        _shut_down(provider)


def _begun(component: str) -> "TracerProvider | None":
    """None where a variable holds what the SDK refuses: traces are not worth the process."""
    try:
        return _provider(component)
    except ValueError as error:
        log.error("traces_not_begun", reason=str(error))  # noqa: TRY400 - its stack says no more
        return None


def _provider(component: str) -> "TracerProvider":
    # Imported only where traces are on: it takes 70 ms and 7 MB, in each Job of retry anew.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import (
        SERVICE_NAME,
        SERVICE_VERSION,
        OTELResourceDetector,
        Resource,
    )
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    ours = {SERVICE_NAME: f"fogbell-{component}", SERVICE_VERSION: __version__}
    # Merged once more: what the environment says goes before what is ours.
    resource = Resource.create(ours).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    # Its queue is bounded and drops what does not fit: nothing waits for the collector.
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def _shut_down(provider: "TracerProvider") -> None:
    """Send what is left, for a bounded time: the SDK itself would wait for up to 30 s."""
    ending = threading.Thread(target=provider.shutdown, name="traces-shutdown", daemon=True)
    ending.start()
    ending.join(FLUSH_SECONDS)
    if ending.is_alive():
        log.warning("traces_not_flushed", waited_seconds=FLUSH_SECONDS)


def _word(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name, "").strip().lower()
