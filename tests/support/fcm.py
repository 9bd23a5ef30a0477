"""FCM and Google's token server, answering as their documentation says.

Sources: https://developers.google.com/identity/protocols/oauth2/service-account (the token),
https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send (the message) and
https://firebase.google.com/docs/cloud-messaging/error-codes (the errors).
"""

import functools
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fogbell_worker.channels.push.vapid import b64url_decode

PROJECT = "shop-1234"
EMAIL = f"fogbell@{PROJECT}.iam.gserviceaccount.com"
GOOD_TOKEN = "good-registration-token"
GONE_TOKEN = "gone-registration-token"
BAD_TOKEN = "bad-registration-token"
OTHER_SENDERS_TOKEN = "other-registration-token"
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
AUDIENCE = "https://oauth2.googleapis.com/token"
"""Whoever the token server is: the documentation says "always this value"."""

_FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"


@functools.cache
def private_key() -> rsa.RSAPrivateKey:
    """One key for all tests of a process: making one takes a while."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=2048)


def service_account(base_url: str, **others: object) -> str:
    """The JSON of a service account whose token server is at ``base_url``."""
    pem = private_key().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    document = {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "1",
        "private_key": pem.decode(),
        "client_email": EMAIL,
        "token_uri": f"{base_url}/token",
        **others,
    }
    return json.dumps({name: value for name, value in document.items() if value is not None})


def error(
    http: int,
    status: str,
    code: str | None = None,
    *,
    message: str = "",
    headers: Mapping[str, str] | None = None,
    fields: tuple[str, ...] = (),
) -> Response:
    """An error of Google's, with FCM's own code where it has one."""
    details: list[dict[str, object]] = []
    if code is not None:
        details.append({"@type": _FCM_ERROR, "errorCode": code})
    if fields:
        violations = [{"field": name, "description": f"Invalid {name}"} for name in fields]
        bad_request = "type.googleapis.com/google.rpc.BadRequest"
        details.append({"@type": bad_request, "fieldViolations": violations})
    document = {"code": http, "message": message, "status": status, "details": details}
    return JSONResponse({"error": document}, http, headers)


@dataclass
class Fcm:
    """Keeps what was sent; ``answers`` and ``token_answers`` come before what the rules say."""

    answers: list[Response] = field(default_factory=list)
    token_answers: list[Response] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    lifetime: int = 3599
    tokens: int = 0
    requests: int = 0
    url: str = ""

    @property
    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/token", self._token, methods=["POST"]),
                Route("/v1/projects/{project}/messages:send", self._send, methods=["POST"]),
            ]
        )

    async def _token(self, request: Request) -> Response:
        self.tokens += 1
        if self.token_answers:
            return self.token_answers.pop(0)
        form = parse_qs((await request.body()).decode(), strict_parsing=True)
        assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
        claims = _verified(form["assertion"][0])
        now = time.time()
        assert claims["iss"] == EMAIL
        assert claims["scope"] == SCOPE
        assert claims["aud"] == AUDIENCE
        assert claims["iat"] <= now < claims["exp"] <= claims["iat"] + 3600
        token = {
            "access_token": f"access-{self.tokens}",
            "expires_in": self.lifetime,
            "token_type": "Bearer",
        }
        return JSONResponse(token)

    async def _send(self, request: Request) -> Response:
        self.requests += 1
        if self.answers:
            return self.answers.pop(0)
        if request.headers["authorization"] != f"Bearer access-{self.tokens}":
            return error(401, "UNAUTHENTICATED", message="Request had invalid credentials.")
        if request.path_params["project"] != PROJECT:
            return error(403, "PERMISSION_DENIED", message="Permission denied on resource.")
        message = json.loads(await request.body())["message"]
        refusal = _refusal(message)
        if refusal is not None:
            return refusal
        self.messages.append(message)
        return JSONResponse({"name": f"projects/{PROJECT}/messages/0:15%{len(self.messages)}"})


def _verified(assertion: str) -> dict[str, Any]:
    signed, _, signature = assertion.rpartition(".")
    header, _, claims = signed.partition(".")
    assert json.loads(b64url_decode(header))["alg"] == "RS256"
    private_key().public_key().verify(
        b64url_decode(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256()
    )
    parsed: dict[str, Any] = json.loads(b64url_decode(claims))
    return parsed


def _refusal(message: Mapping[str, Any]) -> Response | None:
    token = message["token"]
    if token == GONE_TOKEN:
        return error(404, "NOT_FOUND", "UNREGISTERED", message="Requested entity was not found.")
    if token == BAD_TOKEN:
        words = "The registration token is not a valid FCM registration token"
        return error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", message=words)
    if token == OTHER_SENDERS_TOKEN:
        return error(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH", message="SenderId mismatch")
    data = message.get("data", {})
    if "from" in data or not all(isinstance(value, str) for value in data.values()):
        return error(400, "INVALID_ARGUMENT", fields=("message.data[0].key",))
    if len(json.dumps(data)) + len(json.dumps(message["notification"])) > 4096:
        return error(400, "INVALID_ARGUMENT", message="Request contains an invalid argument.")
    return None
