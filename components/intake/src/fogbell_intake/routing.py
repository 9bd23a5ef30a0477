"""The route table: one line a route says its method, path, endpoint and scope.

Everything that must agree with the routes (the guard, the interface's document, the test that
tries every scope) is built from the table, so that no route can be forgotten.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as ASGIScope

from fogbell.model.api_key import Scope
from fogbell.store.database import Database
from fogbell.store.presence import Presence
from fogbell_intake import problems
from fogbell_intake.auth import Caller, KeyRing
from fogbell_intake.describing import About

Endpoint = Callable[[Request], Awaitable[Response]]
UNDESCRIBED = About()
"""Of a route that is in no document."""


@dataclass(frozen=True, slots=True)
class Route:
    """One route. Without a ``scope`` no API key is asked for: the page is public, or the endpoint
    knows callers of another kind (recipients' tokens), which ``authentication`` then names.
    ``about`` is for the interface's document. ``cost`` is what a request takes of the key's limit;
    with 0 the endpoint charges the key itself, by what it was sent. ``prompt``: it has nothing to
    answer without MongoDB, and says so within seconds. Raises ValueError where scope and
    authentication do not say together who is let in.
    """

    method: str
    path: str
    endpoint: Endpoint
    scope: Scope | None
    authentication: str = "api_key"
    about: About = UNDESCRIBED
    cost: int = 1
    prompt: bool = False

    def __post_init__(self) -> None:
        """Without this, a scope that was forgotten would open the route to everybody."""
        if (self.scope is None) == (self.authentication == "api_key"):
            raise ValueError(f"{self.method} {self.path} does not say who is let in")


def public(path: str, endpoint: Endpoint, about: About = UNDESCRIBED) -> Route:
    """A page that anybody may read."""
    return Route("GET", path, endpoint, scope=None, authentication="none", about=about)


def starlette_routes(table: Iterable[Route]) -> list[StarletteRoute]:
    """The table for Starlette: one entry a path, so that a 405 lists all that the path takes."""
    paths: dict[str, dict[str, Route]] = {}
    for route in table:
        methods = paths.setdefault(route.path, {})
        if route.method in methods:
            raise ValueError(f"{route.method} {route.path} stands twice in the route table")
        methods[route.method] = route
    return [
        StarletteRoute(path, _Dispatcher(methods), methods=list(methods))
        for path, methods in paths.items()
    ]


class _Dispatcher:
    """The ASGI application of one path.

    Starlette would wrap a function once more, to handle exceptions that are handled round all
    routes as well.
    """

    def __init__(self, methods: Mapping[str, Route]) -> None:
        self._methods = methods

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        """ASGI's entry."""
        request = Request(scope, receive, send)
        # Starlette lets HEAD in where there is a GET.
        method = request.method if request.method in self._methods else "GET"
        response = await _dispatch(request, self._methods[method])
        await response(scope, receive, send)


class StraightRoutes:
    """Takes requests to the routes whose paths have no parameters, and leaves others to ``app``.

    Starlette's way to a route, through its router and two layers of error handling, costs more
    than to look a path up, and posts come by the thousand.
    """

    def __init__(self, app: ASGIApp, table: Iterable[Route]) -> None:
        self._app = app
        self._routes = {(r.method, r.path): r for r in table if "{" not in r.path}

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        """ASGI's entry."""
        http = scope["type"] == "http"
        route = self._routes.get((scope["method"], scope["path"])) if http else None
        if route is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive, send)
        try:
            response = await _dispatch(request, route)
        except problems.HANDLED as error:
            response = await problems.handle(request, error)
        await response(scope, receive, send)


async def _dispatch(request: Request, route: Route) -> Response:
    request.state.route = route.path
    if route.scope is None:
        return await route.endpoint(request)
    presence: Presence = request.app.state.presence
    async with presence.needed():
        await _admit(request, route, route.scope)
        if route.prompt:
            return await route.endpoint(request)
    return await route.endpoint(request)


async def _admit(request: Request, route: Route, scope: Scope) -> None:
    keys: KeyRing = request.app.state.keys
    request.state.caller = await keys.admit(request, scope)
    if route.cost:
        await keys.charge(request.state.caller, route.cost)


def caller(request: Request) -> Caller:
    """Who asks; only behind a route with a scope."""
    known: Caller = request.state.caller
    return known


def database(request: Request) -> Database:
    """The process's one database handle."""
    handle: Database = request.app.state.database
    return handle
