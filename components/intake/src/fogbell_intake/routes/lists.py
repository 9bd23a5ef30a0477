"""Lists by time, newest first: all notifications, and what one recipient got."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fogbell.model.api_key import Scope
from fogbell.model.notification import OriginType
from fogbell.model.status import NotificationStatus
from fogbell.store import listing
from fogbell.store.listing import Filter, Place
from fogbell_intake import views
from fogbell_intake.answers import DeliveryAnswer, NotificationAnswer, Page
from fogbell_intake.cursors import decode_cursor, encode_cursor
from fogbell_intake.describing import PAGE, RECIPIENT, About, Parameter, one_of
from fogbell_intake.parsing import (
    choice,
    page_limit,
    parse_timestamp,
    query,
)
from fogbell_intake.problems import invalid_parameter
from fogbell_intake.routes.recipients import is_recipient_id, known_recipient, unknown_recipient
from fogbell_intake.routing import Route, database

_ALL = "notifications"
_LONGEST_REFERENCE = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


async def notifications(request: Request) -> Response:
    """200 with a page of notifications; totals are null in it until they are final."""
    given = query(request, "reference", "status", "created_after", "origin", "limit", "after")
    limit = page_limit(given)
    which = Filter(
        reference=_reference(given),
        status=choice(given, "status", NotificationStatus),
        created_after=_created_after(given),
        origin=choice(given, "origin", OriginType),
    )
    db = database(request)
    found = await listing.notifications(db, which, behind=_place(_ALL, given), limit=limit + 1)
    page = found[:limit]
    more = len(found) > limit
    now = db.clock.now()
    return JSONResponse(
        {
            "items": [views.listed_notification(n, frozen, now) for n, frozen in page],
            "next": _next(_ALL, page[-1][0].created_at, page[-1][0].id) if more else None,
        }
    )


def _reference(given: dict[str, str]) -> str | None:
    reference = given.get("reference")
    if reference is not None and not 0 < len(reference) <= _LONGEST_REFERENCE:
        raise invalid_parameter("reference", f"expected 1 to {_LONGEST_REFERENCE} characters")
    return reference


def _created_after(given: dict[str, str]) -> datetime | None:
    if "created_after" not in given:
        return None
    try:
        return parse_timestamp(given["created_after"])
    except ValueError as error:
        raise invalid_parameter("created_after", str(error)) from None


async def deliveries(request: Request) -> Response:
    """200 with a page of a recipient's deliveries, also of one who has left the directory."""
    given = query(request, "limit", "after")
    limit = page_limit(given)
    recipient_id = request.path_params["id"]
    if not is_recipient_id(recipient_id):
        raise unknown_recipient(recipient_id)
    of = f"deliveries to {recipient_id}"
    found = await listing.deliveries_of(
        database(request), recipient_id, behind=_place(of, given), limit=limit + 1
    )
    if not found:
        await known_recipient(request)
    page = found[:limit]
    more = len(found) > limit
    following = _next(of, page[-1].created_at, page[-1].id) if more else None
    return JSONResponse({"items": [views.delivery(d) for d in page], "next": following})


def _next(of: str, created_at: datetime | None, id_: UUID) -> str:
    assert created_at is not None
    return encode_cursor(of, (created_at - _EPOCH) // _MILLISECOND, id_.hex)


def _place(of: str, given: dict[str, str]) -> Place | None:
    if "after" not in given:
        return None
    milliseconds, text = decode_cursor(of, given["after"], int, str)
    try:
        return Place(_EPOCH + milliseconds * _MILLISECOND, UUID(text))
    except (ValueError, OverflowError):
        detail = "expected what an answer's 'next' gave, as it stands"
        raise invalid_parameter("after", detail) from None


_FILTERS = (
    Parameter(
        "reference",
        {"type": "string", "minLength": 1, "maxLength": _LONGEST_REFERENCE},
        "Only those of this reference.",
    ),
    one_of("status", NotificationStatus, "Only those of this status."),
    Parameter(
        "created_after", {"type": "string", "format": "date-time"}, "Only those created later."
    ),
    one_of("origin", OriginType, "Only those of this origin; without it all but callbacks."),
)

ROUTES = (
    Route(
        "GET",
        "/v1/notifications",
        notifications,
        Scope.READ,
        about=About({200: Page[NotificationAnswer]}, None, (*_FILTERS, *PAGE)),
    ),
    Route(
        "GET",
        "/v1/recipients/{id}/deliveries",
        deliveries,
        Scope.READ,
        about=About({200: Page[DeliveryAnswer]}, None, (RECIPIENT, *PAGE), (404,)),
    ),
)
