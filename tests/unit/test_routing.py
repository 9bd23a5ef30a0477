"""Which requests go straight to their endpoints, and how those that fail are answered."""

import json

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from fogbell.store.database import StoreUnavailableError
from fogbell_intake.problems import not_found
from fogbell_intake.routing import StraightRoutes, public


async def _here(_: Request) -> Response:
    return PlainTextResponse("here")


async def _missing(_: Request) -> Response:
    raise not_found("such thing")


async def _away(_: Request) -> Response:
    raise StoreUnavailableError("MongoDB is away")


async def _others(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("others")(scope, receive, send)


TABLE = [
    public("/here", _here),
    public("/missing", _missing),
    public("/away", _away),
    public("/things/{id}", _here),
]


async def _ask(method: str, path: str) -> tuple[int, bytes]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": method, "path": path, "headers": [], "query_string": b""}
    await StraightRoutes(_others, TABLE)(scope, receive, send)
    return sent[0]["status"], sent[1]["body"]


async def test_a_path_without_parameters_goes_straight_to_its_endpoint() -> None:
    """It is looked up, not searched for."""
    assert await _ask("GET", "/here") == (200, b"here")


async def test_all_other_requests_go_on() -> None:
    """To Starlette's router: it knows parameters, HEAD, and what to say of other methods."""
    for method, path in [
        ("GET", "/things/1"),
        ("GET", "/things/{id}"),
        ("HEAD", "/here"),
        ("POST", "/here"),
        ("GET", "/here/"),
    ]:
        assert await _ask(method, path) == (200, b"others")


async def test_what_an_endpoint_raises_is_answered_as_a_problem() -> None:
    """As it is round the router."""
    for path, status, code in [("/missing", 404, "not-found"), ("/away", 503, "unavailable")]:
        answered, body = await _ask("GET", path)
        assert (answered, json.loads(body)["code"]) == (status, code)
