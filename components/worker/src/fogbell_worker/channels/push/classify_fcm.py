"""From FCM's answer to a `Reply`. Pure.

Sources: https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode,
https://firebase.google.com/docs/cloud-messaging/error-codes (what an error looks like) and
https://firebase.google.com/docs/cloud-messaging/scale-fcm (what to try again, and when).

Where FCM refuses *us* (access token, project, the certificate for Apple's service), the device is
not to blame: the delivery stays transient, so that a wrong setting costs nobody their message.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime

from fogbell.model.outcome import Outcome, Reply
from fogbell_worker.http.client import Answer
from fogbell_worker.http.failures import parse_retry_after

QUOTA_PAUSE = 60.0
"""Seconds to wait after a 429 that names none: the quota is refilled every minute."""

_CODE = re.compile(r"[A-Z][A-Z_]{2,39}")
_FIELD = re.compile(r"message(?:\.[a-z_]{1,30}|\[[0-9]{1,4}\]){1,6}")
_NAME = re.compile(r"projects/[^/]{1,64}/messages/([A-Za-z0-9:%._-]{1,100})")

_BY_CODE = {
    "UNREGISTERED": (Outcome.PERMANENT, "gone"),
    "SENDER_ID_MISMATCH": (Outcome.PERMANENT, "sender_mismatch"),
    "INVALID_ARGUMENT": (Outcome.PERMANENT, "rejected"),
    "QUOTA_EXCEEDED": (Outcome.TRANSIENT, "throttled"),
    "RESOURCE_EXHAUSTED": (Outcome.TRANSIENT, "throttled"),
    "UNAVAILABLE": (Outcome.TRANSIENT, "unavailable"),
    "INTERNAL": (Outcome.TRANSIENT, "unavailable"),
    "THIRD_PARTY_AUTH_ERROR": (Outcome.TRANSIENT, "provider_auth"),
    "UNAUTHENTICATED": (Outcome.TRANSIENT, "provider_auth"),
    "PERMISSION_DENIED": (Outcome.TRANSIENT, "provider_auth"),
}


@dataclass(frozen=True, slots=True)
class FcmError:
    """What is read of an error: FCM's own code, else Google's, and the fields it is about."""

    code: str | None = None
    fields: tuple[str, ...] = ()
    about_token: bool = False


def classify_fcm(answer: Answer, now: datetime) -> Reply:
    """The reply for what FCM answered; ``now`` is aware."""
    status = str(answer.status)
    if 200 <= answer.status < 300:
        return Reply(Outcome.ACCEPTED, code=status, detail=_message_id(answer.body))
    error = read_error(answer.body)
    outcome, reason = _BY_CODE.get(error.code or "") or _by_status(answer.status)
    if error.about_token and reason == "rejected" and outcome is Outcome.PERMANENT:
        reason = "bad_address"
    pause = parse_retry_after(answer.retry_after, now)
    if reason == "throttled" and pause is None:
        pause = QUOTA_PAUSE
    detail = ": ".join(["HTTP " + status, *error.fields[:3]]) if error.code else None
    return Reply(
        outcome,
        code=error.code or status,
        reason=reason,
        detail=detail,
        retry_after=pause if outcome is Outcome.TRANSIENT else None,
        suppress=error.code == "UNREGISTERED",
    )


def read_error(body: bytes) -> FcmError:
    """The fields that matter of an error's JSON; an empty `FcmError` for all else."""
    error = _mapping(_parsed(body)).get("error")
    document = _mapping(error)
    details = [_mapping(detail) for detail in _items(document.get("details"))]
    codes = [detail.get("errorCode") for detail in details] + [document.get("status")]
    fields = tuple(
        field
        for detail in details
        for violation in _items(detail.get("fieldViolations"))
        if isinstance(field := _mapping(violation).get("field"), str) and _FIELD.fullmatch(field)
    )
    code = next((c for c in codes if isinstance(c, str) and _CODE.fullmatch(c)), None)
    # the words as documented, for an error of this kind names no field
    about_token = "message.token" in fields or "registration token" in str(document.get("message"))
    return FcmError(code, fields, about_token)


def _by_status(status: int) -> tuple[Outcome, str]:
    if status == 429:
        return Outcome.TRANSIENT, "throttled"
    if status in (401, 403):
        return Outcome.TRANSIENT, "provider_auth"
    if status == 404 or 300 <= status < 400:
        # no token that is gone, or the code would say so: a wrong project or base URL
        return Outcome.TRANSIENT, "provider_address"
    if status >= 500 or status == 408:
        return Outcome.TRANSIENT, "unavailable"
    return Outcome.PERMANENT, "rejected"


def _message_id(body: bytes) -> str | None:
    """FCM's id for the message, by which its console and exports name it."""
    name = _mapping(_parsed(body)).get("name")
    found = _NAME.fullmatch(name) if isinstance(name, str) else None
    return found[1] if found else None


def _parsed(body: bytes) -> object:
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []
