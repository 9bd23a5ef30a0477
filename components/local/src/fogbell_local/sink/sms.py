"""The sink as an SMS gateway in the form of Twilio's Messages resource.

Sources: "Create a Message" (https://www.twilio.com/docs/messaging/api/message-resource), the shape
of errors (https://www.twilio.com/docs/usage/twilios-response), their codes
(https://www.twilio.com/docs/api/errors), and the numbers that fail on purpose
(https://www.twilio.com/docs/iam/test-credentials).
"""

import base64
import binascii
import secrets
from collections.abc import Mapping
from urllib.parse import parse_qsl

from fogbell.model.status import Channel
from fogbell_local.sink import ledger
from fogbell_local.sink.answering import Answering
from fogbell_local.sink.http import Reply, Request, json_reply
from fogbell_local.sink.ledger import Entry, Outcome

ACCOUNT = "AC" + "0" * 32
TOKEN = "local-token"  # noqa: S105 - of a gateway that is reached from this machine alone
SENDER = "+15005550006"
"""The number that test credentials send from."""

LONGEST_TEXT = 1600

_MAGIC: Mapping[str, tuple[int, int, str]] = {
    "+15005550001": (400, 21211, "The 'To' number is not a valid phone number."),
    "+15005550002": (400, 21612, "The 'To' number is not currently reachable."),
    "+15005550003": (403, 21408, "Permission to send to this region has not been enabled."),
    "+15005550004": (400, 21610, "Attempt to send to unsubscribed recipient."),
    "+15005550009": (400, 21614, "The 'To' number is not a mobile number."),
}
_OUT = (503, 20503, "Service unavailable.")


async def answer(answering: Answering, provider: str, account: str, request: Request) -> Reply:
    """Answer a post to ``/2010-04-01/Accounts/{account}/Messages.json`` of one gateway.

    Who is not let in, or posts nonsense, leaves nothing in the ledger.
    """
    form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
    if (wrong := _credentials(account, request) or _parameters(form)) is not None:
        return _error(*wrong)
    to, text = form["To"], form["Body"]
    outcome = answering.refusals.by_provider(provider, reachable=to not in _MAGIC)
    if outcome is Outcome.REFUSED:
        reply = _error(*_MAGIC.get(to, _OUT))
    else:
        reply = json_reply(201, _message(account, form))
    entry = Entry(
        ledger.now(), Channel.SMS, "", outcome,
        to=(to,), provider=provider, text=text, code=reply.status,
    )  # fmt: skip
    await answering.answered(entry)
    return reply


def _credentials(account: str, request: Request) -> tuple[int, int, str] | None:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        password = base64.b64decode(encoded, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        password = ""
    if scheme.lower() != "basic" or password != TOKEN:
        return 401, 20003, "Authenticate"
    if account != ACCOUNT:
        return 404, 20404, "The requested resource was not found"
    return None


def _parameters(form: Mapping[str, str]) -> tuple[int, int, str] | None:
    if not form.get("To"):
        return 400, 21604, "A 'To' phone number is required."
    if not form.get("From") and not form.get("MessagingServiceSid"):
        return 400, 21603, "A 'From' phone number is required."
    if not form.get("Body"):
        return 400, 21602, "Message body is required."
    if len(form["Body"]) > LONGEST_TEXT:
        return 400, 21617, "The concatenated message body exceeds the 1600 character limit."
    return None


def _error(status: int, code: int, message: str) -> Reply:
    more = f"https://www.twilio.com/docs/errors/{code}"
    return json_reply(
        status, {"code": code, "message": message, "more_info": more, "status": status}
    )


def _message(account: str, form: Mapping[str, str]) -> dict[str, object]:
    return {
        "sid": "SM" + secrets.token_hex(16),
        "account_sid": account,
        "to": form["To"],
        "from": form.get("From"),
        "messaging_service_sid": form.get("MessagingServiceSid"),
        "body": form["Body"],
        "status": "queued" if "From" in form else "accepted",
        "num_segments": str(1 + len(form["Body"]) // 161),
        "error_code": None,
        "error_message": None,
        "direction": "outbound-api",
    }
