"""Round every request: its id, its line in the log, headers for safety, and the last resort.

Plain ASGI: Starlette's BaseHTTPMiddleware would put a task and a queue between the endpoint and
the client, which costs time and hides disconnects from streams.
"""

import re
from time import perf_counter
from typing import Final

import structlog
from opentelemetry.trace import Span
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fogbell.identity import uuid7
from fogbell_intake import problem_types as types
from fogbell_intake.metrics import IntakeMetrics
from fogbell_intake.problems import Problem
from fogbell_intake.tracing import UNMATCHED, name_span, request_span

_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_QUIET: Final = frozenset({"/healthz", "/readyz"})
_SAFETY: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
"""As Starlette writes names: in lower case."""

log = structlog.get_logger(__name__)


class RequestMiddleware:
    """The outermost layer.

    The log names the route (``/v1/recipients/{id}``), never the path or the query: ids of
    recipients may be addresses, and queries may hold tokens.
    """

    def __init__(self, app: ASGIApp, *, metrics: IntakeMetrics, access_log: bool = True) -> None:
        self._app = app
        self._metrics = metrics
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's entry."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        answer = _Answer(send, _request_id(scope))
        scope.setdefault("state", {})["request_id"] = answer.request_id
        structlog.contextvars.bind_contextvars(request_id=answer.request_id)
        if scope["path"] in _QUIET:
            await self._answered(scope, receive, answer)
            return
        with request_span(scope, answer.request_id) as span:
            try:
                await self._answered(scope, receive, answer)
            finally:
                self._tell(scope, answer, started, span)

    async def _answered(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        try:
            with self._metrics.requests_open():
                await self._app(scope, receive, answer.send)
        except Exception as error:
            await _fail(error, Request(scope, receive, answer.send), answer)

    def _tell(self, scope: Scope, answer: "_Answer", started: float, span: Span) -> None:
        route = scope["state"].get("route", UNMATCHED)
        ended = perf_counter()
        # A stream's answer begins long before it ends.
        waited = (answer.begun_at or ended) - started
        self._metrics.answered(scope["method"], route, answer.status, waited)
        name_span(span, scope["method"], route, answer.status)
        if self._access_log:
            log.info(
                "request",
                method=scope["method"],
                route=route,
                status=answer.status,
                seconds=round(ended - started, 4),
            )


class _Answer:
    """What is sent of one answer; its status, and when (`perf_counter`), once it has begun."""

    __slots__ = ("_send", "begun_at", "request_id", "status")

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self.request_id = request_id
        self.status: int | None = None
        self.begun_at: float | None = None

    async def send(self, message: Message) -> None:
        """Pass it on, with what every answer's head has."""
        if message["type"] == "http.response.start":
            self.status, self.begun_at = message["status"], perf_counter()
            _add_headers(message, self.request_id)
        await self._send(message)


async def _fail(error: Exception, request: Request, answer: _Answer) -> None:
    # The message is left out: drivers and validators put what was sent into theirs.
    log.error("request.failed", exc_info=error)
    if answer.status is None:
        problem = Problem(types.INTERNAL, "Fogbell failed; its log has more.")
        response = problem.response(answer.request_id)
        await response(request.scope, request.receive, answer.send)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _SANE_ID.fullmatch(value):
            return str(value.decode())
    return str(uuid7())


def _add_headers(message: Message, request_id: str) -> None:
    headers = message["headers"]
    present = {name for name, _ in headers}
    headers += [header for header in _SAFETY if header[0] not in present]
    headers.append((b"x-request-id", request_id.encode()))
