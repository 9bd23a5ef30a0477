"""``/v1/inbox``: a recipient's own items, live and at rest, opened by a token of theirs."""

import asyncio
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fogbell.model.api_key import Scope
from fogbell.store import inbox
from fogbell.store.inbox import Mark, Position
from fogbell.views import rfc3339
from fogbell_intake import problem_types as types
from fogbell_intake.answers import InboxItemAnswer, InboxPage, TokenAnswer
from fogbell_intake.auth import bearer
from fogbell_intake.describing import PAGE, RECIPIENT, About, Parameter, Schema, Text, uuid_in_path
from fogbell_intake.hub import Hub, TooManyStreamsError
from fogbell_intake.inbox_items import decode_position, encode_position, item_document
from fogbell_intake.parsing import page_limit, query
from fogbell_intake.problems import Problem, invalid_parameter, not_found
from fogbell_intake.routes.recipients import known_recipient
from fogbell_intake.routing import Endpoint, Route, database
from fogbell_intake.stream_response import StreamResponse
from fogbell_intake.tokens import ExpiredTokenError, InboxToken, InvalidTokenError, TokenSigner

RETRY_STREAM = "5"
"""Seconds after which a client that met too many streams may try again."""


async def create_token(request: Request) -> Response:
    """201 with a token that opens the recipient's inbox until it expires."""
    recipient = await known_recipient(request)
    token, opens = _signer(request).issue(recipient.id, database(request).clock.now())
    document = {"token": token, "expires_at": rfc3339(opens.expires_at)}
    return JSONResponse(document, status_code=201)


async def index(request: Request) -> Response:
    """200 with a page of items, newest first.

    ``unread`` beside them counts up to 100, which an app shows as "99+".
    """
    recipient_id = _admit(request, bearer(request)).recipient_id
    given = query(request, "limit", "after", "unread", "archived")
    limit = page_limit(given)
    items, unread = await asyncio.gather(
        inbox.page(
            database(request),
            recipient_id,
            before=decode_position(given["after"], "after") if "after" in given else None,
            unread=_flag(given, "unread"),
            archived=_flag(given, "archived"),
            limit=limit,
        ),
        inbox.unread_count(database(request), recipient_id),
    )
    following = encode_position(items[-1].position) if len(items) == limit else None
    documents = [item_document(item) for item in items]
    return JSONResponse({"items": documents, "next": following, "unread": unread})


def _marker(mark: Mark) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        recipient_id = _admit(request, bearer(request)).recipient_id
        item_id = _item_id(request.path_params["id"])
        item = await inbox.mark(database(request), recipient_id, item_id, mark)
        # Somebody else's item and none at all are answered alike.
        if item is None:
            raise not_found("inbox item with this id")
        return JSONResponse(item_document(item))

    endpoint.__doc__ = f"200 with the item, marked {mark.value}; repeating it changes nothing."
    return endpoint


async def stream(request: Request) -> Response:
    """200 with server-sent events: ``ready``, then ``item`` as they come, ``expired`` at the end.

    EventSource sends no headers: here alone the token may stand in the query.
    """
    given = query(request, "token", "last_event_id")
    # What is read is taken out, so that no server's log of requests can show it.
    request.scope["query_string"] = b""
    in_query = "token" in given and "authorization" not in request.headers
    token = _admit(request, given["token"] if in_query else bearer(request))
    resume = _resume(request, given)
    if request.method == "HEAD":
        return Response(media_type="text/event-stream")
    hub: Hub = request.app.state.hub
    try:
        opened = hub.open(token, resume)
    except TooManyStreamsError as error:
        raise Problem(
            types.TOO_MANY_STREAMS, str(error), headers={"Retry-After": RETRY_STREAM}
        ) from None
    return StreamResponse(
        opened,
        write_timeout=hub.settings.write_timeout_seconds,
        closed=lambda: hub.forget(opened),
    )


def _resume(request: Request, given: dict[str, str]) -> Position | None:
    # EventSource keeps the address, and with it an older `last_event_id`, when it connects again.
    header = request.headers.get("last-event-id")
    if header:
        return decode_position(header, "Last-Event-ID")
    text = given.get("last_event_id")
    return decode_position(text, "last_event_id") if text else None


def _signer(request: Request) -> TokenSigner:
    signer: TokenSigner = request.app.state.tokens
    return signer


def _admit(request: Request, token: str) -> InboxToken:
    """Whose inbox it is; raises a 401 `Problem`."""
    headers = {"WWW-Authenticate": 'Bearer realm="fogbell inbox", error="invalid_token"'}
    try:
        return _signer(request).verify(token, database(request).clock.now())
    except ExpiredTokenError:
        raise Problem(
            types.EXPIRED_TOKEN, "The token has expired. Ask for another.", headers=headers
        ) from None
    except InvalidTokenError:
        raise Problem(
            types.INVALID_TOKEN,
            "The token is not one that this Fogbell has signed (fbi_...).",
            headers=headers,
        ) from None


def _flag(given: dict[str, str], name: str) -> bool:
    text = given.get(name, "false")
    if text not in ("true", "false"):
        raise invalid_parameter(name, "expected true or false")
    return text == "true"


def _item_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise not_found("inbox item with this id") from None


_FLAG: Schema = {"enum": ["true", "false"], "default": "false"}
_EVENTS = Text(
    "text/event-stream",
    "Events until the token expires: `ready` first, `item` with an inbox item as JSON in its data,"
    " `expired` last. Each id is a cursor to resume from; comments are heartbeats.",
)
_CURSOR: Schema = {"type": "string"}

ROUTES = (
    Route(
        "POST",
        "/v1/recipients/{id}/tokens",
        create_token,
        Scope.INBOX,
        about=About({201: TokenAnswer}, None, (RECIPIENT,), (404,)),
    ),
    Route(
        "GET",
        "/v1/inbox",
        index,
        scope=None,
        authentication="recipient_token",
        about=About(
            {200: InboxPage},
            None,
            (
                *PAGE,
                Parameter("unread", _FLAG, "Leave out what has been read."),
                Parameter("archived", _FLAG, "Bring in what was put away."),
            ),
        ),
    ),
    Route(
        "GET",
        "/v1/inbox/stream",
        stream,
        scope=None,
        authentication="recipient_token",
        about=About(
            {200: _EVENTS},
            None,
            (
                Parameter("last_event_id", _CURSOR, "Resume behind this event."),
                Parameter("Last-Event-ID", _CURSOR, "The same, before the query's.", "header"),
            ),
            (429,),
        ),
    ),
    *(
        Route(
            "POST",
            f"/v1/inbox/{{id}}/{mark.value}",
            _marker(mark),
            scope=None,
            authentication="recipient_token",
            about=About({200: InboxItemAnswer}, None, (uuid_in_path("item"),), (404,)),
        )
        for mark in Mark
    ),
)
