"""``/v1/suppressions/{channel}/{address}``: addresses that are not to be used.

Workers add what a provider says is gone for good; here they are looked up, entered and lifted. The
address is percent-encoded in the path, a webhook's URL with its slashes included.
"""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fogbell.model.address import check_email, check_phone, check_url
from fogbell.model.api_key import Scope
from fogbell.model.status import Channel
from fogbell.store import suppressions
from fogbell.store.suppressions import Suppression
from fogbell.views import rfc3339
from fogbell_intake.answers import SuppressionAnswer
from fogbell_intake.describing import About, Body, Parameter
from fogbell_intake.parsing import is_empty, json_object
from fogbell_intake.problems import Problem, invalid_parameter, not_found, validate
from fogbell_intake.routing import Route, database

_LONGEST_TOKEN = 4096


class SuppressionBody(BaseModel):
    """Body of PUT, which may be left out altogether."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=1, max_length=200)] | None = None


async def put(request: Request) -> Response:
    """201 if new, 200 if known, with the suppression."""
    channel, address = _path(request)
    body = {} if is_empty(request) else await json_object(request)
    reason = validate(SuppressionBody, body).reason
    db = database(request)
    stored, created = await suppressions.put(db, channel, address, reason, db.clock.now())
    return JSONResponse(suppression_document(stored), status_code=201 if created else 200)


async def get(request: Request) -> Response:
    """200 with the suppression; 404 where the address may be used."""
    found = await suppressions.get(database(request), *_path(request))
    if found is None:
        raise _unknown()
    return JSONResponse(suppression_document(found))


async def delete(request: Request) -> Response:
    """204: the address may be used again, from the next attempt on."""
    if not await suppressions.delete(database(request), *_path(request)):
        raise _unknown()
    return Response(status_code=204)


def _path(request: Request) -> tuple[Channel, str]:
    """The channel and the address of the path; raises a 422 `Problem` for what is neither."""
    check = _CHECKS.get(request.path_params["channel"])
    if check is None:
        words = ", ".join(_CHECKS)
        raise invalid_parameter("channel", f"expected one of {words}")
    try:
        return Channel(request.path_params["channel"]), check(request.path_params["address"])
    except ValueError as error:
        raise invalid_parameter("address", str(error)) from None


def _check_token(value: str) -> str:
    if not (0 < len(value) <= _LONGEST_TOKEN and value.isprintable()):
        raise ValueError(f"expected a device's token of at most {_LONGEST_TOKEN} characters")
    return value


_CHECKS: dict[str, Callable[[str], str]] = {
    Channel.EMAIL.value: check_email,
    Channel.SMS.value: check_phone,
    Channel.PUSH.value: _check_token,
    Channel.WEBHOOK.value: check_url,
}


def _unknown() -> Problem:
    # The address stays out of it: a message may end in somebody's log.
    return not_found("suppression of this address")


def suppression_document(found: Suppression) -> dict[str, Any]:
    """A suppression as answered."""
    return {
        "channel": found.channel.value,
        "address": found.address,
        "reason": found.reason,
        "created_at": rfc3339(found.created_at),
    }


_PATH = "/v1/suppressions/{channel}/{address:path}"

_PLACE = (
    Parameter("channel", {"enum": list(_CHECKS)}, "What the address is for.", "path"),
    Parameter(
        "address", {"type": "string", "minLength": 1}, "The address, percent-encoded.", "path"
    ),
)

ROUTES = (
    Route(
        "PUT",
        _PATH,
        put,
        Scope.MANAGE,
        about=About(
            {200: SuppressionAnswer, 201: SuppressionAnswer},
            Body(SuppressionBody, optional=True),
            _PLACE,
        ),
    ),
    Route(
        "GET",
        _PATH,
        get,
        Scope.READ,
        about=About({200: SuppressionAnswer}, None, _PLACE, (404, 422)),
    ),
    Route(
        "DELETE",
        _PATH,
        delete,
        Scope.MANAGE,
        about=About({204: None}, None, _PLACE, (404, 422)),
    ),
)
