"""Reading requests strictly: bodies, times and queries.

Nothing here trusts a length that was announced, and nothing is read further than its limit.
"""

import asyncio
import json
import math
import re
from collections.abc import Collection
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import BeforeValidator
from starlette.requests import ClientDisconnect, Request

from fogbell_intake import problem_types as types
from fogbell_intake.limits import BODY_TIMEOUT, DEFAULT_PAGE, MAX_BODY, MAX_DEPTH, MAX_PAGE
from fogbell_intake.problems import Problem, invalid, invalid_parameter

E = TypeVar("E", bound=StrEnum)

JsonObject = dict[str, Any]
JSON = "application/json"

BODY_IS_HERE = "fogbell.body_is_here"
"""In a request's scope once the whole body has been received: nothing of it is waited for."""

_INT64 = range(-(2**63), 2**63)
_LONGEST_INT = 20


class JsonError(ValueError):
    """A text that is not JSON, or JSON that readers would disagree about. Says why."""


async def json_object(
    request: Request, limit: int = MAX_BODY, media_types: tuple[str, ...] = (JSON,)
) -> JsonObject:
    """The body as one JSON object of at most ``limit`` bytes, of one of ``media_types``.

    Raises `Problem` 400, 408, 413, 415 or, for another JSON value than an object, 422.
    """
    check_media_type(request, *media_types)
    body = await read_body(request, limit)
    try:
        value = loads(body)
    except JsonError as error:
        raise Problem(types.MALFORMED_JSON, f"The body cannot be read: {error}.") from None
    if not isinstance(value, dict):
        raise invalid("#", "expected a JSON object")
    return value


def is_empty(request: Request) -> bool:
    """Whether there is no body at all: for routes where it may be left out."""
    headers = request.headers
    return "transfer-encoding" not in headers and headers.get("content-length", "0") == "0"


def check_media_type(request: Request, *accepted: str) -> str:
    """Which of ``accepted`` the body is; raises a 415 `Problem` for others and for non-UTF-8."""
    headers = request.headers
    header = headers.get("content-type", "")
    if header in accepted and "content-encoding" not in headers:
        return header
    essence, _, parameters = header.partition(";")
    kind = essence.strip().lower()
    charset = re.search(r"charset\s*=\s*\"?([^\s\";]+)", parameters, re.IGNORECASE)
    encoded = headers.get("content-encoding", "identity").lower()
    if (
        kind in accepted
        and encoded == "identity"
        and (not charset or charset[1].lower() in ("utf-8", "utf8", "us-ascii"))
    ):
        return kind
    expected = " or ".join(accepted)
    raise Problem(
        types.UNSUPPORTED_MEDIA_TYPE,
        f"Send the body as {expected}, in UTF-8 and not compressed.",
        headers={"Accept": ", ".join(accepted)},
    )


async def read_body(request: Request, limit: int = MAX_BODY) -> bytes:
    """The body, never more than ``limit`` bytes of it in memory.

    Raises `Problem` 400 (a Content-Length that is none), 408 or 413.
    """
    announced = request.headers.get("content-length", "0")
    if not (announced.isascii() and announced.isdigit()):
        raise Problem(
            types.MALFORMED_REQUEST,
            "Content-Length is not a number. Send how many bytes the body has.",
        )
    if len(announced) > 18 or int(announced) > limit:
        raise _too_large(limit)
    if BODY_IS_HERE in request.scope:
        return await _received(request, limit)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise _too_large(limit)
    except TimeoutError:
        detail = f"The body did not arrive within {BODY_TIMEOUT:.0f} seconds. Repeat it."
        raise Problem(types.REQUEST_TIMEOUT, detail) from None
    except ClientDisconnect:
        raise _cut_off() from None
    return bytes(body)


async def _received(request: Request, limit: int) -> bytes:
    """A body that is here: one message. Most are, and a timer and a stream cost more than that."""
    message = await request.receive()
    if message["type"] != "http.request":
        raise _cut_off()
    body: bytes = message["body"]
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _cut_off() -> Problem:
    return Problem(types.MALFORMED_REQUEST, "The body was cut off.")


def _too_large(limit: int) -> Problem:
    return Problem(types.TOO_LARGE, f"The body has more than {limit:,} bytes. Send less at once.")


def loads(body: bytes) -> Any:
    """One JSON text in UTF-8, read strictly (RFC 8259 and RFC 7493). Raises `JsonError`.

    Refused beyond syntax: NaN and Infinity, repeated names, names that MongoDB reads as its own
    (``$...``, NUL), half surrogate pairs, integers beyond 64 bits, numbers beyond a double, and
    more than `MAX_DEPTH` levels.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise JsonError(f"byte {error.start} is not UTF-8") from None
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise JsonError(f"it is not JSON at {place} ({error.msg})") from None
    except RecursionError:
        raise _too_deep() from None
    _check_depth(value, text)
    _check_surrogates(value, text)
    return value


def _object(pairs: list[tuple[str, Any]]) -> JsonObject:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise JsonError(f"the name {_shown(twice)} stands twice in one object")
    for name in value:
        if name[:1] == "$" or "\0" in name:
            raise JsonError(f"the name {_shown(name)} starts with $ or holds a NUL")
    return value


def _shown(name: str) -> str:
    return ascii(name[:50])


def _integer(text: str) -> int:
    # The length goes first: Python refuses, or takes long for, thousands of digits.
    if len(text) > _LONGEST_INT or (value := int(text)) not in _INT64:
        raise JsonError("an integer does not fit in 64 bits")
    return value


def _number(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise JsonError("a number does not fit in a double")
    return value


def _constant(name: str) -> NoReturn:
    raise JsonError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_number,
    parse_constant=_constant,
)


def _check_depth(value: Any, text: str) -> None:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    if any(isinstance(node, dict | list) for node in level):
        raise _too_deep()


def _children(node: Any) -> Collection[Any]:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()


def _too_deep() -> JsonError:
    return JsonError(f"it nests more than {MAX_DEPTH} levels deep")


def _check_surrogates(value: Any, text: str) -> None:
    """Halves of a surrogate pair cannot be stored; only an escape can bring one in."""
    if "\\ud" not in text and "\\uD" not in text:
        return
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise JsonError("a string holds half a surrogate pair") from None


_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


def parse_timestamp(value: object) -> datetime:
    """An RFC 3339 string with an offset, as UTC in whole milliseconds. Raises ValueError."""
    match = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("expected a time with an offset, such as 2026-12-01T09:00:00.000Z")
    date, time, fraction, offset = match.groups()
    milliseconds = ((fraction or "") + "000")[:3]
    try:
        parsed = datetime.fromisoformat(f"{date}T{time}.{milliseconds}{offset.upper()}")
        return parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("expected a time that exists") from None


Timestamp = Annotated[datetime, BeforeValidator(parse_timestamp)]
"""A time in a body. pydantic's own AwareDatetime would take numbers and numeric strings."""


def query(request: Request, *allowed: str) -> dict[str, str]:
    """The query's parameters; raises a 422 `Problem` for one that is unknown or there twice."""
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in allowed:
            known = ", ".join(allowed) or "none"
            raise invalid_parameter(name[:50], f"there is no such parameter; known: {known}")
        if name in given:
            raise invalid_parameter(name, "expected once")
        given[name] = value
    return given


def page_limit(given: dict[str, str]) -> int:
    """The query's ``limit``: 1 to 200, else a 422 `Problem`."""
    text = given.get("limit", str(DEFAULT_PAGE))
    if not re.fullmatch(r"[1-9]\d{0,2}", text, re.ASCII) or int(text) > MAX_PAGE:
        raise invalid_parameter("limit", f"expected a number from 1 to {MAX_PAGE}")
    return int(text)


def choice(given: dict[str, str], name: str, kind: type[E]) -> E | None:
    """The query's word from a closed set, or None; raises a 422 `Problem` for another word."""
    if name not in given:
        return None
    try:
        return kind(given[name])
    except ValueError:
        words = ", ".join(member.value for member in kind)
        raise invalid_parameter(name, f"expected one of {words}") from None
