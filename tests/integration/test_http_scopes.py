"""Every route of the table under every credential there is: a key of each scope, a token, none."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute
from tests.support.directory import Intake, directory_intake
from tests.support.inbox_intake import sign

from fogbell.model.api_key import Scope
from fogbell_intake.routes import TABLE
from fogbell_intake.routing import Route

NONE, TOKEN = "none", "recipient_token"
CREDENTIALS = [*(scope.value for scope in Scope), TOKEN, NONE]
STREAM = "/v1/inbox/stream"


@dataclass(frozen=True)
class Guarded:
    """An intake, and the header of each credential."""

    intake: Intake
    headers: Mapping[str, str]


@pytest.fixture(scope="module")
async def guarded(mongo_uri: str) -> AsyncIterator[Guarded]:
    async with directory_intake(mongo_uri) as intake:
        headers = {NONE: "", TOKEN: f"Bearer {sign('ann', timedelta(hours=1))}"}
        for scope in Scope:
            body = {"name": scope.value, "scopes": [scope.value]}
            created = await intake.client.post("/v1/api-keys", json=body)
            headers[scope.value] = f"Bearer {created.json()['key']}"
        yield Guarded(intake, headers)


def expected(route: Route, credential: str) -> str | None:
    """The code of the problem that a credential earns at a route; None where it is let in."""
    if route.authentication == "none":
        return None
    if credential == NONE:
        return "unauthenticated"
    if route.scope is None:
        return None if credential == TOKEN else "invalid-token"
    if credential == TOKEN:
        return "invalid-api-key"
    return None if credential == route.scope else "missing-scope"


@pytest.mark.parametrize("route", TABLE, ids=[f"{r.method} {r.path}" for r in TABLE])
async def test_a_route_lets_in_what_the_table_says_and_nothing_else(
    guarded: Guarded, route: Route
) -> None:
    earned = {credential: await _ask(guarded, route, credential) for credential in CREDENTIALS}
    for credential, answer in earned.items():
        code = expected(route, credential)
        if code is None:
            # Let in; what it asks for is not there, or its body is none.
            assert answer.status_code not in (401, 403, 405), (credential, answer.text)
            assert answer.status_code < 500 or route.path == "/readyz", (credential, answer.text)
            continue
        assert answer.json()["code"] == code, (credential, answer.text)
        assert answer.status_code == (403 if code == "missing-scope" else 401)
        challenge = answer.headers["www-authenticate"]
        assert challenge.startswith('Bearer realm="fogbell')
        assert (code == "missing-scope") == (f'scope="{route.scope}"' in challenge)


async def _ask(guarded: Guarded, route: Route, credential: str) -> httpx2.Response:
    path = re.sub(r"\{(\w+)(:path)?\}", r"\1", route.path)
    headers = {"Authorization": guarded.headers[credential]}
    client = guarded.intake.client
    async with client.stream(route.method, path, headers=headers) as answer:
        # A stream that was opened does not end.
        if path != STREAM or answer.status_code != 200:
            await answer.aread()
    return answer


def test_nothing_is_served_that_is_not_in_the_table(guarded: Guarded) -> None:
    served = {
        (method, route.path)
        for route in guarded.intake.app.router.routes
        if isinstance(route, StarletteRoute)
        for method in route.methods or ()
    }
    assert len(guarded.intake.app.router.routes) == len({path for _, path in served})
    # Starlette adds HEAD where there is a GET.
    assert {place for place in served if place[0] != "HEAD"} == {(r.method, r.path) for r in TABLE}


def test_a_route_that_does_not_say_who_is_let_in_is_refused() -> None:
    async def endpoint(_: Request) -> Response:
        return Response()

    with pytest.raises(ValueError, match="GET /v1/x does not say who is let in"):
        Route("GET", "/v1/x", endpoint, scope=None)
    with pytest.raises(ValueError, match="GET /v1/x does not say who is let in"):
        Route("GET", "/v1/x", endpoint, Scope.READ, authentication="none")


def test_every_scope_opens_something() -> None:
    assert {route.scope for route in TABLE} - {None} == set(Scope)


def test_what_is_open_to_all_is_under_v1_nowhere() -> None:
    public = [route.path for route in TABLE if route.authentication == "none"]
    assert not [path for path in public if path.startswith("/v1/")]
