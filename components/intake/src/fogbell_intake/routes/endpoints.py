"""``/v1/endpoints``: the sender's own webhooks, told what became of what the app posted."""

import base64
import secrets
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fogbell.identity import uuid7
from fogbell.model.address import Url
from fogbell.model.api_key import Scope
from fogbell.model.endpoint import Endpoint, EventType
from fogbell.model.status import Channel
from fogbell.store import endpoints
from fogbell.views import rfc3339, rfc3339_or_none
from fogbell_intake import problem_types as types
from fogbell_intake.answers import Page
from fogbell_intake.cursors import decode_cursor, encode_cursor
from fogbell_intake.describing import PAGE, About, Body, uuid_in_path
from fogbell_intake.endpoint_answers import EndpointAnswer, NewEndpointAnswer
from fogbell_intake.parsing import json_object, page_limit, query
from fogbell_intake.posting import PostingSettings
from fogbell_intake.problems import Problem, invalid, not_found, validate
from fogbell_intake.routing import Route, caller, database
from fogbell_intake.wanted import WantedEvents

_LIST = "endpoints"
_SECRET_BYTES = 32
"""Standard Webhooks asks for 24 to 64."""


class NewEndpoint(BaseModel):
    """Body of ``POST /v1/endpoints``. The endpoint belongs to the app of the key that asks."""

    model_config = ConfigDict(extra="forbid")

    url: Url
    events: set[EventType] = Field(min_length=1)
    description: Annotated[str, Field(min_length=1, max_length=200)] | None = None


async def create(request: Request) -> Response:
    """201 with the endpoint and its secret, which is never shown again."""
    query(request)
    body = validate(NewEndpoint, await json_object(request))
    _check_offered(request)
    db, app = database(request), caller(request).app
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
    endpoint = Endpoint(
        id=str(uuid7()),
        app=app,
        url=body.url,
        secret=SecretStr(secret),
        events=frozenset(body.events),
        created_at=db.clock.now(),
        description=body.description,
    )
    try:
        await endpoints.insert(db, endpoint)
    except endpoints.TooManyEndpointsError:
        detail = f"The app '{app}' has {endpoints.MOST} endpoints. Delete one first."
        raise Problem(types.TOO_MANY_ENDPOINTS, detail) from None
    _wanted(request).forget(app)
    return JSONResponse(endpoint_document(endpoint) | {"secret": secret}, status_code=201)


def _check_offered(request: Request) -> None:
    settings: PostingSettings = request.app.state.posting
    if Channel.WEBHOOK not in settings.offered:
        detail = "this installation does not offer the channel 'webhook', which carries callbacks"
        raise invalid("#/url", detail)


async def index(request: Request) -> Response:
    """200 with a page of the app's endpoints, without their secrets."""
    given = query(request, "limit", "after")
    limit = page_limit(given)
    after = decode_cursor(_LIST, given["after"], str)[0] if "after" in given else None
    found = await endpoints.of_app(
        database(request), caller(request).app, after=after, limit=limit + 1
    )
    following = encode_cursor(_LIST, found[limit - 1].id) if len(found) > limit else None
    items = [endpoint_document(endpoint) for endpoint in found[:limit]]
    return JSONResponse({"items": items, "next": following})


async def read(request: Request) -> Response:
    """200 with one endpoint of the app, without its secret."""
    query(request)
    found = await endpoints.get(database(request), caller(request).app, request.path_params["id"])
    if found is None:
        raise not_found("endpoint of this app with this id")
    return JSONResponse(endpoint_document(found))


async def delete(request: Request) -> Response:
    """204: nothing more is sent there; what waits to be is skipped."""
    app = caller(request).app
    if not await endpoints.delete(database(request), app, request.path_params["id"]):
        raise not_found("endpoint of this app with this id")
    _wanted(request).forget(app)
    return Response(status_code=204)


def endpoint_document(endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint as answered, but for its secret."""
    return {
        "id": endpoint.id,
        "app": endpoint.app,
        "url": endpoint.url,
        "events": sorted(endpoint.events),
        "description": endpoint.description,
        "created_at": rfc3339(endpoint.created_at),
        "disabled_at": rfc3339_or_none(endpoint.disabled_at),
    }


def _wanted(request: Request) -> WantedEvents:
    wanted: WantedEvents = request.app.state.wanted
    return wanted


_ENDPOINT = uuid_in_path("endpoint")

ROUTES = (
    Route(
        "POST",
        "/v1/endpoints",
        create,
        Scope.MANAGE,
        about=About({201: NewEndpointAnswer}, Body(NewEndpoint), problems=(409,)),
    ),
    Route(
        "GET",
        "/v1/endpoints",
        index,
        Scope.MANAGE,
        about=About({200: Page[EndpointAnswer]}, None, PAGE),
    ),
    Route(
        "GET",
        "/v1/endpoints/{id}",
        read,
        Scope.MANAGE,
        about=About({200: EndpointAnswer}, None, (_ENDPOINT,), (404, 422)),
    ),
    Route(
        "DELETE",
        "/v1/endpoints/{id}",
        delete,
        Scope.MANAGE,
        about=About({204: None}, None, (_ENDPOINT,), (404,)),
    ),
)
