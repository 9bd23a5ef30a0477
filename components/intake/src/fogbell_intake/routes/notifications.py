"""Posting notifications, and reading how far they are."""

import re
from uuid import UUID

import structlog
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fogbell.model.api_key import Scope
from fogbell.model.status import Channel, DeliveryStatus
from fogbell.store import deliveries, notifications, progress
from fogbell.store.database import Database
from fogbell.telemetry import traces
from fogbell_intake import views
from fogbell_intake.answers import AcceptedAnswer, DeliveryAnswer, NotificationAnswer, Page
from fogbell_intake.bodies import NotificationBody
from fogbell_intake.cursors import decode_cursor, encode_cursor
from fogbell_intake.describing import PAGE, About, Body, Parameter, one_of, uuid_in_path
from fogbell_intake.parsing import (
    JSON,
    choice,
    json_object,
    page_limit,
    query,
)
from fogbell_intake.problems import invalid_parameter, not_found
from fogbell_intake.routing import Route, caller, database
from fogbell_intake.submitting import Submitter

IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")


async def post(request: Request) -> Response:
    """``POST /v1/notifications``: 202 once it is stored (majority, journaled)."""
    raw = await json_object(request)
    key = _idempotency_key(request)
    submitter: Submitter = request.app.state.submitter
    answer = await submitter.store(await submitter.ready(caller(request), raw, key))
    shown = views.accepted(answer)
    # The request's line and span then say which notification it was.
    structlog.contextvars.bind_contextvars(notification=shown["id"])
    traces.current().set_attribute("fogbell.notification", shown["id"])
    headers = {"Location": shown["links"]["self"]}
    if answer.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Response(to_json(shown), 202, headers, JSON)


def _idempotency_key(request: Request) -> str | None:
    given = request.headers.getlist("idempotency-key")
    if not given:
        return None
    if len(given) > 1 or not IDEMPOTENCY_KEY.fullmatch(given[0]):
        detail = "expected once, 1 to 255 printable ASCII characters without spaces"
        raise invalid_parameter("Idempotency-Key", detail)
    return given[0]


async def read(request: Request) -> Response:
    """``GET /v1/notifications/{id}``: the notification and its totals."""
    query(request)
    shown = await shown_notification(database(request), path_uuid(request, "notification"))
    if shown is None:
        raise not_found("notification with this id")
    return JSONResponse(shown)


async def shown_notification(db: Database, wanted: UUID) -> views.Json | None:
    """A notification as answered, or None where there is none."""
    # The notification first: totals counted before its expansion, beside an end of the expansion
    # read after it, would show nothing outstanding and so a notification that is settled.
    notification = await notifications.get(db, wanted)
    reached = await progress.progress(db, wanted)
    if reached is None or notification is None:
        return None
    return views.notification(notification, reached, db.clock.now())


async def list_deliveries(request: Request) -> Response:
    """``GET /v1/notifications/{id}/deliveries``: 200 with a page of its deliveries, by id."""
    db, wanted = database(request), path_uuid(request, "notification")
    given = query(request, "status", "channel", "limit", "after")
    limit = page_limit(given)
    after = UUID(int=_cursor_int(wanted, given["after"])) if "after" in given else None
    status = choice(given, "status", DeliveryStatus)
    channel = choice(given, "channel", Channel)
    found = await deliveries.page(
        db, wanted, status=status, channel=channel, after=after, limit=limit + 1
    )
    if not found and await notifications.get(db, wanted) is None:
        raise not_found("notification with this id")
    following = (
        encode_cursor(_list(wanted), found[limit - 1].id.hex) if len(found) > limit else None
    )
    items = [views.delivery(d) for d in found[:limit]]
    return JSONResponse({"items": items, "next": following})


def _list(notification: UUID) -> str:
    return f"deliveries of {notification}"


def _cursor_int(notification: UUID, text: str) -> int:
    (part,) = decode_cursor(_list(notification), text, str)
    if not re.fullmatch(r"[0-9a-f]{32}", part):
        raise invalid_parameter("after", "expected what an answer's 'next' gave, as it stands")
    return int(part, 16)


async def read_delivery(request: Request) -> Response:
    """``GET /v1/deliveries/{id}``: one delivery with its attempts."""
    query(request)
    found = await deliveries.get(database(request), path_uuid(request, "delivery"))
    if found is None:
        raise not_found("delivery with this id")
    return JSONResponse(views.delivery(found))


def path_uuid(request: Request, what: str) -> UUID:
    """The id in the path; what is no UUID names nothing: 404."""
    try:
        return UUID(request.path_params["id"])
    except ValueError:
        raise not_found(f"{what} with this id") from None


NOTIFICATION = uuid_in_path("notification")
_KEY = Parameter(
    "Idempotency-Key",
    {"type": "string", "pattern": "^[!-~]{1,255}$"},
    "Repeating the same body with it is answered with what is stored.",
    "header",
)

ROUTES = (
    Route(
        "POST",
        "/v1/notifications",
        post,
        Scope.SEND,
        about=About({202: AcceptedAnswer}, Body(NotificationBody), (_KEY,)),
        prompt=True,
    ),
    Route(
        "GET",
        "/v1/notifications/{id}",
        read,
        Scope.READ,
        about=About({200: NotificationAnswer}, None, (NOTIFICATION,), (404, 422)),
    ),
    Route(
        "GET",
        "/v1/notifications/{id}/deliveries",
        list_deliveries,
        Scope.READ,
        about=About(
            {200: Page[DeliveryAnswer]},
            None,
            (
                NOTIFICATION,
                one_of("status", DeliveryStatus, "Only those of this status."),
                one_of("channel", Channel, "Only those of this channel."),
                *PAGE,
            ),
            (404,),
        ),
    ),
    Route(
        "GET",
        "/v1/deliveries/{id}",
        read_delivery,
        Scope.READ,
        about=About({200: DeliveryAnswer}, None, (uuid_in_path("delivery"),), (404, 422)),
    ),
)
