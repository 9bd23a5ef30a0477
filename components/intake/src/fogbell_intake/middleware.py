"""Round every request: its id, its line in the log, headers for safety, and the last resort.

Plain ASGI: Starlette's BaseHTTPMiddleware would put a task and a queue between the endpoint and
the client, which costs time and hides disconnects from streams.
"""

import re
from time import perf_counter
from typing import Final

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fogbell.identity import uuid7
from fogbell_intake import problem_types as types
from fogbell_intake.problems import Problem

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

    def __init__(self, app: ASGIApp, *, access_log: bool = True) -> None:
        self._app = app
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's entry."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        await _Exchange(self._app, self._access_log).run(scope, receive, send)


class _Exchange:
    """One request and its answer."""

    def __init__(self, app: ASGIApp, access_log: bool) -> None:
        self._app = app
        self._access_log = access_log
        self._status: int | None = None

    async def run(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        request_id = _request_id(scope)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        structlog.contextvars.bind_contextvars(request_id=request_id)

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._status = message["status"]
                _add_headers(message, request_id)
            await send(message)

        try:
            await self._app(scope, receive, send_on)
        except Exception as error:
            await self._fail(error, Request(scope, receive, send_on), request_id)
        finally:
            self._log_access(scope, perf_counter() - started)

    async def _fail(self, error: Exception, request: Request, request_id: str) -> None:
        # The message is left out: drivers and validators put what was sent into theirs.
        log.error("request.failed", exc_info=error)
        if self._status is None:
            problem = Problem(types.INTERNAL, "Fogbell failed; its log has more.")
            await problem.response(request_id)(request.scope, request.receive, request._send)  # noqa: SLF001

    def _log_access(self, scope: Scope, seconds: float) -> None:
        if not self._access_log or scope["path"] in _QUIET:
            return
        log.info(
            "request",
            method=scope["method"],
            route=scope["state"].get("route", "unmatched"),
            status=self._status,
            seconds=round(seconds, 4),
        )


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
