"""The sink as FCM's HTTP v1 interface, and as the token server that it is reached through.

Sources: https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send,
https://firebase.google.com/docs/cloud-messaging/error-codes (the errors), and RFC 6749 5.1 and 5.2
(the token server's answers).
"""

import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from fogbell.model.status import Channel
from fogbell_local.sink import ledger, service_account
from fogbell_local.sink.answering import Answering
from fogbell_local.sink.http import Reply, Request, json_reply
from fogbell_local.sink.ledger import Entry, Outcome

GONE_PREFIX = "gone"
"""A device whose token starts so is answered as one where the app was removed."""

LIFETIME = 3599
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"


@dataclass(slots=True)
class TokenServer:
    """Gives access tokens to whoever holds the key of the service account in ``account``."""

    account: Path
    _given: set[str] = field(default_factory=set)

    def answer(self, request: Request) -> Reply:
        """Answer one request for a token."""
        form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
        if form.get("grant_type") != _GRANT:
            return json_reply(400, {"error": "unsupported_grant_type"})
        if not service_account.is_signed(form.get("assertion", ""), self.account):
            words = "Invalid JWT Signature."
            return json_reply(400, {"error": "invalid_grant", "error_description": words})
        token = "local." + secrets.token_urlsafe(24)
        self._given.add(token)
        return json_reply(
            200, {"access_token": token, "expires_in": LIFETIME, "token_type": "Bearer"}
        )

    def lets_in(self, request: Request) -> bool:
        """Whether ``request`` carries a token from here."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return scheme == "Bearer" and token in self._given


async def answer(
    answering: Answering, tokens: TokenServer, provider: str, project: str, request: Request
) -> Reply:
    """Answer a post to ``/v1/projects/{project}/messages:send``.

    Who is not let in, or posts nonsense, leaves nothing in the ledger.
    """
    if not tokens.lets_in(request):
        return _error(401, "UNAUTHENTICATED", "Request had invalid credentials.")
    if project != service_account.PROJECT:
        return _error(403, "PERMISSION_DENIED", "Permission denied on resource.")
    message = _message(request.body)
    if message is None:
        return _error(400, "INVALID_ARGUMENT", "Request contains an invalid argument.")
    token = message["token"]
    outcome = answering.refusals.by_provider(
        provider, reachable=not token.startswith(GONE_PREFIX)
    )  # fmt: skip
    reply = _reply(outcome, token, project)
    entry = Entry(
        ledger.now(), Channel.PUSH, _tag(message), outcome, to=(token,),
        provider=provider, text=message["notification"]["title"], code=reply.status,
    )  # fmt: skip
    await answering.answered(entry)
    return reply


def _reply(outcome: Outcome, token: str, project: str) -> Reply:
    if outcome is Outcome.ACCEPTED:
        name = f"projects/{project}/messages/0:{secrets.token_hex(8)}"
        return json_reply(200, {"name": name})
    if token.startswith(GONE_PREFIX):
        return _error(404, "NOT_FOUND", "Requested entity was not found.", "UNREGISTERED")
    return _error(503, "UNAVAILABLE", "The service is currently unavailable.", "UNAVAILABLE")


def _message(body: bytes) -> dict[str, Any] | None:
    """The message of a post; None where it is none that a device could show."""
    try:
        message = json.loads(body)["message"]
        words = (message["token"], message["notification"]["title"])
    except (ValueError, KeyError, TypeError):
        return None
    data = message.get("data", {})
    if not isinstance(data, dict) or not all(isinstance(v, str) for v in (*words, *data.values())):
        return None
    found: dict[str, Any] = message
    return found


def _tag(message: dict[str, Any]) -> str:
    """What replaces a message on the device by its repeat: Fogbell gives the delivery's id."""
    try:
        return str(message["android"]["notification"]["tag"])
    except (KeyError, TypeError):
        return ""


def _error(http: int, status: str, message: str, code: str | None = None) -> Reply:
    details = [] if code is None else [{"@type": _FCM_ERROR, "errorCode": code}]
    document = {"code": http, "message": message, "status": status, "details": details}
    return json_reply(http, {"error": document})
