"""Errors as the interface shows them: RFC 9457 problem details, each type with a page.

Every error leaves as ``application/problem+json``. What was sent is never echoed but for names
of fields and ids in the path: a message may end in somebody's log.
"""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from fogbell.store.database import StoreRefusedError, StoreUnavailableError
from fogbell_intake import problem_types as types
from fogbell_intake.limits import MAX_ERRORS
from fogbell_intake.problem_types import ProblemType

MEDIA_TYPE = "application/problem+json"
RETRY_UNAVAILABLE = "2"
"""Seconds after which a request that met no MongoDB may be repeated: an election takes that."""

M = TypeVar("M", bound=BaseModel)
V = TypeVar("V")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that is wrong: at a JSON pointer into the body, or in a parameter's name."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None

    def document(self) -> dict[str, str]:
        """``{"pointer" | "parameter": ..., "detail": ...}``."""
        place = {"pointer": self.pointer, "parameter": self.parameter}
        return {k: v for k, v in place.items() if v is not None} | {"detail": self.detail}


class Problem(Exception):  # noqa: N818 - RFC 9457's own word; raising it ends the request
    """Raise to answer with a problem. ``detail`` says what came and what to do."""

    def __init__(
        self,
        type_: ProblemType,
        detail: str,
        errors: Sequence[FieldError] = (),
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(type_.code)
        self.type = type_
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})

    def document(self, request_id: str) -> dict[str, Any]:
        """The answer's body."""
        document: dict[str, Any] = {
            "type": f"/problems/{self.type.code}",
            "code": self.type.code,
            "title": self.type.title,
            "status": self.type.status,
            "detail": self.detail,
            "request_id": request_id,
        }
        if self.errors:
            document["errors"] = [error.document() for error in self.errors[:MAX_ERRORS]]
        return document

    def response(self, request_id: str) -> Response:
        """The answer."""
        return JSONResponse(
            self.document(request_id),
            status_code=self.type.status,
            headers=self.headers,
            media_type=MEDIA_TYPE,
        )


def not_found(what: str) -> Problem:
    """A 404 for ``what``, such as "recipient 'bob'"."""
    return Problem(types.NOT_FOUND, f"There is no {what}.")


def invalid(pointer: str, detail: str) -> Problem:
    """A 422 for one place in the body."""
    return Problem(types.INVALID_BODY, f"{pointer}: {detail}", [FieldError(detail, pointer)])


def invalid_parameter(name: str, detail: str) -> Problem:
    """A 422 for one parameter of the query, or one header."""
    error = FieldError(detail, parameter=name)
    return Problem(types.INVALID_PARAMETER, f"{name}: {detail}", [error])


def pointer(*parts: str | int) -> str:
    """A JSON pointer in a fragment (RFC 6901): ``pointer("a", 0)`` is ``#/a/0``."""
    escaped = (str(part).replace("~", "~0").replace("/", "~1") for part in parts)
    return "".join(["#", *(f"/{part}" for part in escaped)])[:500]


def validate(model: type[M], value: object) -> M:
    """``value`` as a ``model``; raises a 422 `Problem` with a pointer for each error."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise validation_problem(error, value) from None


def validate_as(adapter: TypeAdapter[V], value: object) -> V:
    """As `validate`, for what is not a model."""
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        raise validation_problem(error, value) from None


def validation_problem(error: ValidationError, value: object) -> Problem:
    """A 422 that lists what pydantic found in ``value``."""
    errors = field_errors(error, value)
    first = errors[0]
    more = f" ({len(errors) - 1} more in 'errors')" if len(errors) > 1 else ""
    return Problem(types.INVALID_BODY, f"{first.pointer}: {first.detail}{more}", errors)


def field_errors(error: ValidationError, value: object) -> list[FieldError]:
    """What pydantic found, at pointers into ``value``; never with the offending value itself."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    listed = (FieldError(_message(entry), _pointer(entry, value)) for entry in found)
    return list(dict.fromkeys(listed))


def _pointer(entry: ErrorDetails, value: object) -> str:
    """pydantic's location without what is not in the body: names of union members and the like."""
    parts: list[str | int] = []
    here: object = value
    location = entry["loc"]
    for index, part in enumerate(location):
        last = index == len(location) - 1
        if isinstance(here, dict) and (part in here or (last and entry["type"] == "missing")):
            here = here.get(part)
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            here = here[part]
        else:
            continue
        parts.append(part)
    return pointer(*parts)


_MESSAGES = {
    "missing": "this field is required",
    "extra_forbidden": "there is no such field",
    "model_type": "expected an object",
    "dict_type": "expected an object",
    "list_type": "expected an array",
    "string_type": "expected a string",
    "none_required": "expected null",
}
_OPENINGS = (
    ("Value error, ", ""),
    ("Input should be ", "expected "),
    ("String should ", "expected a string that should "),
)


def _message(entry: ErrorDetails) -> str:
    known = _MESSAGES.get(entry["type"])
    if known is not None:
        return known
    message = entry["msg"]
    for opening, replacement in _OPENINGS:
        if message.startswith(opening):
            return replacement + message.removeprefix(opening)
    return message[:1].lower() + message[1:]


def unavailable(error: StoreUnavailableError) -> Problem:
    """The 503 for a MongoDB that does not answer, or refuses Fogbell's user.

    What is to be changed then is for whoever runs Fogbell, not for whoever posts.
    """
    detail = "MongoDB does not answer or has no primary. Repeat the request shortly."
    if isinstance(error, StoreRefusedError):
        detail = "MongoDB refuses Fogbell's user. Whoever runs Fogbell finds more in its log."
    return Problem(types.UNAVAILABLE, detail, headers={"Retry-After": RETRY_UNAVAILABLE})


_BY_STATUS = {404: types.NOT_FOUND, 405: types.METHOD_NOT_ALLOWED, 400: types.MALFORMED_REQUEST}


def from_http_exception(error: HTTPException) -> Problem:
    """Starlette's own errors: no such path, no such method."""
    kind = _BY_STATUS.get(error.status_code, types.INTERNAL)
    details = {
        types.NOT_FOUND: "No route has this path; /docs lists those that there are.",
        types.METHOD_NOT_ALLOWED: f"This path takes {(error.headers or {}).get('Allow')}.",
    }
    return Problem(kind, details.get(kind, f"{kind.title}."), headers=error.headers)


def request_id(request: Request) -> str:
    """The request's id, as answered in ``X-Request-Id``."""
    return str(getattr(request.state, "request_id", ""))


async def handle(request: Request, error: Exception) -> Response:
    """Starlette's exception handler for everything in `HANDLED`."""
    if isinstance(error, StoreRefusedError):
        # Readiness may not show it: a role that has lost a right still lets intake log in.
        log.error("mongodb.refused", error=str(error))
    if isinstance(error, StoreUnavailableError):
        return unavailable(error).response(request_id(request))
    if isinstance(error, HTTPException):
        return from_http_exception(error).response(request_id(request))
    assert isinstance(error, Problem)
    return error.response(request_id(request))


HANDLED: tuple[type[Exception], ...] = (Problem, StoreUnavailableError, HTTPException)


async def page(request: Request) -> Response:
    """``GET /problems/{code}``: what the type means and what to do about it."""
    kind = types.TYPES.get(request.path_params["code"])
    if kind is None:
        raise not_found("such problem type")
    title, text = html.escape(kind.title), html.escape(kind.explanation)
    return HTMLResponse(
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{kind.code}</title>"
        f"<h1>{title}</h1><p><code>{kind.code}</code>, HTTP status {kind.status}</p>"
        f"<p>{text}</p></html>"
    )
