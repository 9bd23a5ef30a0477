"""``/v1/recipients``: the directory, one at a time and by import."""

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fogbell.model.address import RECIPIENT_ID, Addresses
from fogbell.model.api_key import Scope
from fogbell.model.recipient import Recipient
from fogbell.store import recipients
from fogbell_intake.imports import CSV, NDJSON, import_recipients
from fogbell_intake.parsing import check_media_type, json_object
from fogbell_intake.problems import Problem, invalid, invalid_parameter, not_found, validate
from fogbell_intake.routing import Route, database

_ID = re.compile(RECIPIENT_ID)


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


async def delete(request: Request) -> Response:
    """204; deliveries that are under way find no address any more and are skipped."""
    recipient_id = request.path_params["id"]
    known = is_recipient_id(recipient_id)
    if not (known and await recipients.delete(database(request), recipient_id)):
        raise unknown_recipient(recipient_id)
    return Response(status_code=204)


async def import_many(request: Request) -> Response:
    """200 once the stream has ended: ``{"imported", "rejected", "errors", "errors_truncated"}``."""
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
    webhook = addresses.webhook
    return {
        "email": addresses.email,
        "sms": addresses.sms,
        "push": [push.model_dump(exclude_none=True) for push in addresses.push],
        # Not under the name that PUT takes: who sent back what was read would lose the secrets.
        "webhook": webhook and {"url": webhook.url, "secret_count": len(webhook.secrets)},
    }


ROUTES = (
    Route("POST", "/v1/recipients/import", import_many, Scope.MANAGE),
    Route("PUT", "/v1/recipients/{id}", put, Scope.MANAGE),
    Route("GET", "/v1/recipients/{id}", get, Scope.READ),
    Route("DELETE", "/v1/recipients/{id}", delete, Scope.MANAGE),
)
