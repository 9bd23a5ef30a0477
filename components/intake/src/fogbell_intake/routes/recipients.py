"""``/v1/recipients``: the directory, one at a time, in pages and by import."""

import re
from typing import Any

from pydantic import ConfigDict
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fogbell.model.address import RECIPIENT_ID, Addresses
from fogbell.model.api_key import Scope
from fogbell.model.recipient import Recipient
from fogbell.store import recipients
from fogbell_intake.answers import Page
from fogbell_intake.cursors import decode_cursor, encode_cursor
from fogbell_intake.describing import PAGE, RECIPIENT, About, Body, Parameter, Text
from fogbell_intake.imports import CSV, NDJSON, import_recipients
from fogbell_intake.merging import change_recipient
from fogbell_intake.parsing import (
    JSON,
    check_media_type,
    json_object,
    page_limit,
    query,
)
from fogbell_intake.problems import Problem, invalid, invalid_parameter, not_found, validate
from fogbell_intake.recipient_answers import ImportAnswer, RecipientAnswer
from fogbell_intake.routing import Route, database

_LIST = "recipients"
_ID = re.compile(RECIPIENT_ID)
MERGE_PATCH = "application/merge-patch+json"


async def put(request: Request) -> Response:
    """201 if new, 200 if replaced, with the recipient as stored."""
    recipient_id = request.path_params["id"]
    if not is_recipient_id(recipient_id):
        raise invalid_parameter("id", f"expected an id that matches {RECIPIENT_ID}")
    body = await json_object(request)
    if body.setdefault("id", recipient_id) != recipient_id:
        raise invalid("#/id", "expected the id of the path, or no id")
    recipient = validate(Recipient, body)
    created = await recipients.put(database(request), recipient)
    headers = {"Location": f"/v1/recipients/{recipient_id}"} if created else None
    document = recipient_document(recipient)
    return JSONResponse(document, status_code=201 if created else 200, headers=headers)


async def get(request: Request) -> Response:
    """200 with the recipient; secrets are counted, never shown."""
    recipient = await known_recipient(request)
    return JSONResponse(recipient_document(recipient))


async def patch(request: Request) -> Response:
    """200 with the recipient after a merge patch (RFC 7396): null takes a field away."""
    recipient_id = request.path_params["id"]
    body = await json_object(request, media_types=(MERGE_PATCH, JSON))
    if body.setdefault("id", recipient_id) != recipient_id:
        raise invalid("#/id", "expected the id of the path, or no id")
    known = is_recipient_id(recipient_id)
    changed = await change_recipient(database(request), recipient_id, body) if known else None
    if changed is None:
        raise unknown_recipient(recipient_id)
    return JSONResponse(recipient_document(changed))


async def index(request: Request) -> Response:
    """200 with a page of recipients in the order of their ids, of one group or of all."""
    given = query(request, "group", "limit", "after")
    group, limit = given.get("group"), page_limit(given)
    if group is not None and not is_recipient_id(group):
        raise invalid_parameter("group", f"expected a group's name, which matches {RECIPIENT_ID}")
    after = decode_cursor(_LIST, given["after"], str)[0] if "after" in given else None
    found = await recipients.walk(
        database(request),
        groups=[group] if group is not None else (),
        everyone=group is None,
        after=after,
        limit=limit + 1,
    )
    following = encode_cursor(_LIST, found[limit - 1].id) if len(found) > limit else None
    items = [recipient_document(recipient) for recipient in found[:limit]]
    return JSONResponse({"items": items, "next": following})


async def delete(request: Request) -> Response:
    """204; deliveries that are under way find no address any more and are skipped."""
    recipient_id = request.path_params["id"]
    known = is_recipient_id(recipient_id)
    if not (known and await recipients.delete(database(request), recipient_id)):
        raise unknown_recipient(recipient_id)
    return Response(status_code=204)


async def import_many(request: Request) -> Response:
    """200 once the stream has ended, with how many records were imported and rejected."""
    kind = check_media_type(request, NDJSON, CSV)
    report = await import_recipients(database(request), request.stream(), kind)
    return JSONResponse(report.document())


def is_recipient_id(text: str) -> bool:
    """Whether a recipient may have this id."""
    return _ID.fullmatch(text) is not None


async def known_recipient(request: Request) -> Recipient:
    """The recipient of the path's ``{id}``; raises a 404 `Problem`."""
    recipient_id = request.path_params["id"]
    if is_recipient_id(recipient_id):
        recipient = await recipients.get(database(request), recipient_id)
        if recipient is not None:
            return recipient
    raise unknown_recipient(recipient_id)


def unknown_recipient(recipient_id: str) -> Problem:
    """The 404 for a recipient in the path."""
    return not_found(f"recipient {recipient_id[:128]!r}")


def recipient_document(recipient: Recipient) -> dict[str, Any]:
    """A recipient as answered."""
    document = recipient.model_dump(mode="json", exclude={"addresses"})
    return {"id": recipient.id, "addresses": _addresses(recipient.addresses)} | document


def _addresses(addresses: Addresses) -> dict[str, Any]:
    webhook, apprise = addresses.webhook, addresses.apprise
    return {
        "email": addresses.email,
        "sms": addresses.sms,
        "push": [push.model_dump(exclude_none=True) for push in addresses.push],
        # Not under the name that PUT takes: who sent back what was read would lose the secrets.
        "webhook": webhook and {"url": webhook.url, "secret_count": len(webhook.secrets)},
        "apprise": apprise and {"scheme": apprise.scheme},
    }


def _id_left_out(schema: dict[str, Any]) -> None:
    schema.pop("required")


class RecipientBody(Recipient):
    """Body of PUT for the document: a recipient, whose id may be left to the path."""

    model_config = ConfigDict(json_schema_extra=_id_left_out)


_PATCH = Body(
    schema={
        "type": "object",
        "description": "Fields of a recipient to change; null takes one away (RFC 7396).",
    },
    media_types=(MERGE_PATCH, JSON),
)
_IMPORT = Body(
    texts=(
        Text(NDJSON, "One recipient a line, as PUT takes it but with its id. No limit in length."),
        Text(
            CSV,
            "With a header: id, email, sms, webhook_url, apprise_url, locale, time_zone, groups"
            " (separated by ;) and attributes.NAME. No limit in length.",
        ),
    )
)
_GROUP = Parameter("group", {"type": "string", "pattern": RECIPIENT_ID}, "Only its members.")

ROUTES = (
    Route(
        "POST",
        "/v1/recipients/import",
        import_many,
        Scope.MANAGE,
        about=About({200: ImportAnswer}, _IMPORT),
    ),
    Route(
        "PUT",
        "/v1/recipients/{id}",
        put,
        Scope.MANAGE,
        about=About(
            {200: RecipientAnswer, 201: RecipientAnswer}, Body(RecipientBody), (RECIPIENT,)
        ),
    ),
    Route(
        "GET",
        "/v1/recipients",
        index,
        Scope.READ,
        about=About({200: Page[RecipientAnswer]}, None, (_GROUP, *PAGE)),
    ),
    Route(
        "GET",
        "/v1/recipients/{id}",
        get,
        Scope.READ,
        about=About({200: RecipientAnswer}, None, (RECIPIENT,), (404,)),
    ),
    Route(
        "PATCH",
        "/v1/recipients/{id}",
        patch,
        Scope.MANAGE,
        about=About({200: RecipientAnswer}, _PATCH, (RECIPIENT,), (404,)),
    ),
    Route(
        "DELETE",
        "/v1/recipients/{id}",
        delete,
        Scope.MANAGE,
        about=About({204: None}, None, (RECIPIENT,), (404,)),
    ),
)
