"""Which web pages may ask for the inbox from a browser."""

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

_INBOX = "/v1/inbox"
_PREFLIGHT_SECONDS = 600


class InboxCors:
    """Answers for ``/v1/inbox`` and below as the Fetch standard's CORS protocol asks.

    Every other path belongs to servers, whose API keys have no place in a browser. Cookies are
    never asked for: the token is a header, or for the stream a parameter.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._inbox = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Last-Event-ID", "X-Request-Id"],
            expose_headers=["X-Request-Id", "Retry-After"],
            max_age=_PREFLIGHT_SECONDS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's entry."""
        path = scope.get("path", "")
        of_inbox = path == _INBOX or path.startswith(f"{_INBOX}/")
        await (self._inbox if of_inbox else self._app)(scope, receive, send)
