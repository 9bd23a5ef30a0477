"""Services that Apprise knows and that anybody can host, behaving as their documentation says.

Sources: Gotify's REST API (https://gotify.net/api-docs: ``POST /message``, the application's token
in ``X-Gotify-Key``, errors as ``{"error", "errorCode", "errorDescription"}``); Mattermost's
incoming webhooks (https://developers.mattermost.com/integrate/webhooks/incoming/: ``POST
/hooks/KEY`` answers a plain ``ok``) and the errors and rate limits of its API
(https://developers.mattermost.com/api-documentation/: 429 with ``X-Ratelimit-Reset``); ntfy's
publishing as JSON and its limits (https://docs.ntfy.sh/publish/: ``POST /``, 429 with code 42901).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

TOKEN = "AmF7pR.tOkEn_9"
HOOK = "n3wm4tterm0sth00kkey4ndm0re"
TOPIC = "fog-9xk2"


def gotify_error(status: int, error: str, description: str) -> Response:
    """An error of Gotify's."""
    document = {"error": error, "errorCode": status, "errorDescription": description}
    return JSONResponse(document, status)


def mattermost_error(status: int, headers: Mapping[str, str] | None = None) -> Response:
    """An error of Mattermost's (its AppError)."""
    document = {"id": "api.error", "message": "", "request_id": "r", "status_code": status}
    return JSONResponse(document, status, headers)


def ntfy_error(code: int, error: str) -> Response:
    """An error of ntfy's, whose code begins with the HTTP status."""
    status = code // 100
    document = {"code": code, "http": status, "error": error, "link": "https://ntfy.sh/docs"}
    return JSONResponse(document, status)


@dataclass
class Chats:
    """All three in one; ``answers`` (if any) come before what the rules say."""

    answers: list[Response] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    requests: int = 0

    @property
    def app(self) -> Starlette:
        """The server."""
        rules: dict[str, Callable[[Request, dict[str, Any]], Response]] = {
            "/message": self._gotify,
            "/hooks/{key}": self._mattermost,
            "/": self._ntfy,
        }
        posts = [Route(path, self._by(rule), methods=["POST"]) for path, rule in rules.items()]
        elsewhere = Route("/elsewhere", self._elsewhere, methods=["GET", "POST"])
        return Starlette(routes=[*posts, elsewhere])

    def _by(self, rule: Callable[[Request, dict[str, Any]], Response]) -> Any:
        async def answer(request: Request) -> Response:
            self.requests += 1
            body: dict[str, Any] = await request.json()
            if self.answers:
                return self.answers.pop(0)
            return rule(request, body)

        return answer

    def _gotify(self, request: Request, body: dict[str, Any]) -> Response:
        if request.headers.get("x-gotify-key") != TOKEN:
            return gotify_error(401, "Unauthorized", "you need to provide a valid access token")
        if not body.get("message"):
            return gotify_error(400, "Bad Request", "Field 'message' is required")
        self.messages.append(body)
        return JSONResponse({"id": len(self.messages), "appid": 1, **body})

    def _mattermost(self, request: Request, body: dict[str, Any]) -> Response:
        if request.path_params["key"] != HOOK:
            return mattermost_error(404)
        self.messages.append(body)
        return PlainTextResponse("ok")

    def _ntfy(self, _request: Request, body: dict[str, Any]) -> Response:
        if body.get("topic") != TOPIC:
            return ntfy_error(40301, "forbidden")
        self.messages.append(body)
        return JSONResponse({"id": "sPs71M8A2T", "event": "message", **body})

    async def _elsewhere(self, _: Request) -> Response:
        self.messages.append({"redirected": True})
        return PlainTextResponse("ok")


def redirect() -> Response:
    """To where nothing may be taken."""
    return RedirectResponse("/elsewhere", 307)
