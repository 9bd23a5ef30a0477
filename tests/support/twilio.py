"""An SMS gateway that answers as Twilio's documentation says.

Sources: the Messages resource (https://www.twilio.com/docs/messaging/api/message-resource), the
shape of errors (https://www.twilio.com/docs/usage/twilios-response) and the magic numbers of test
credentials (https://www.twilio.com/docs/iam/test-credentials).
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

ACCOUNT = "AC" + "0" * 32
TOKEN = "t" * 32
VALID = "+15005550006"
INVALID, UNROUTABLE, NOT_PERMITTED, UNSUBSCRIBED, NOT_MOBILE = (
    f"+1500555000{digit}" for digit in (1, 2, 3, 4, 9)
)
QUEUE_FULL = "+15005550008"
"""As a sender."""

_TO = {
    INVALID: (21211, "is not a valid phone number"),
    UNROUTABLE: (21612, "is not currently reachable"),
    NOT_PERMITTED: (21408, "permission to send has not been enabled for the region"),
    UNSUBSCRIBED: (21610, "attempt to send to unsubscribed recipient"),
    NOT_MOBILE: (21614, "is not a mobile number"),
}


def error(
    status: int, code: int, message: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    """An error as the API words it; it repeats the number, which no record may."""
    document = {
        "code": code,
        "message": message,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    return JSONResponse(document, status, headers)


@dataclass
class Gateway:
    """Keeps what was sent; ``answers`` (if any) come before what the rules say."""

    answers: list[Response] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    password: str = TOKEN
    requests: int = 0

    @property
    def app(self) -> Starlette:
        path = "/2010-04-01/Accounts/{account}/Messages.json"
        return Starlette(routes=[Route(path, self._create, methods=["POST"])])

    async def _create(self, request: Request) -> Response:
        self.requests += 1
        if self.answers:
            return self.answers.pop(0)
        user, _, password = self._credentials(request).partition(":")
        if password != self.password:
            return error(401, 20003, "Authenticate")
        if request.path_params["account"] != ACCOUNT:
            return error(404, 20404, "The requested resource was not found")
        assert request.headers["content-type"] == "application/x-www-form-urlencoded"
        pairs = parse_qs((await request.body()).decode(), strict_parsing=True)
        form = {name: value for name, (value,) in pairs.items()}
        refusal = _refusal(form)
        if refusal is not None:
            return refusal
        self.forms.append(form)
        self.users.append(user)
        return JSONResponse(_message(form, len(self.forms)), 201)

    @staticmethod
    def _credentials(request: Request) -> str:
        scheme, _, encoded = request.headers["authorization"].partition(" ")
        assert scheme == "Basic"
        return base64.b64decode(encoded, validate=True).decode()


def _refusal(form: Mapping[str, str]) -> Response | None:
    to = form["To"]
    if to in _TO:
        code, why = _TO[to]
        return error(403 if code == 21408 else 400, code, f"The 'To' number {to} {why}.")
    if not form.get("Body"):
        return error(400, 21602, "Message body is required.")
    if len(form["Body"]) > 1600:
        return error(400, 21617, "The concatenated message body exceeds the 1600 character limit.")
    if "From" not in form and "MessagingServiceSid" not in form:
        return error(400, 21603, "A 'From' phone number is required.")
    if form.get("From") == QUEUE_FULL:
        return error(429, 21611, "This 'From' number has exceeded its queue.")
    if not 1 <= int(form.get("ValidityPeriod", "1")) <= 36_000:
        return error(400, 90007, "Invalid validity period value")
    return None


def _message(form: Mapping[str, str], number: int) -> dict[str, object]:
    return {
        "sid": f"SM{number:032x}",
        "account_sid": ACCOUNT,
        "to": form["To"],
        "from": form.get("From"),
        "messaging_service_sid": form.get("MessagingServiceSid"),
        "body": form["Body"],
        "status": "accepted" if "MessagingServiceSid" in form else "queued",
        "num_segments": "0" if "MessagingServiceSid" in form else str(1 + len(form["Body"]) // 161),
        "error_code": None,
        "error_message": None,
        "direction": "outbound-api",
    }
