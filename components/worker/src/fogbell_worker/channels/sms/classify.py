"""From the gateway's answer to a `Reply`. Pure.

Sources: Twilio's "Handling REST API error codes and implementing retry logic" (decide by the HTTP
status, for codes come and go), its error dictionary (https://www.twilio.com/docs/api/errors) for
the few codes named here, and RFC 9110 for what a status says.

Two rules decide more than the codes:

- There is no idempotency key, so an answer which does not exclude that the message was taken is
  *ambiguous*: 500 (an error on the way), 502 and 504 (a proxy that lost the gateway). 429 and 503
  are refusals before anything was done, and are tried again.
- Where the gateway refuses *us* (login, account, sender), the recipient is not to blame: the
  delivery stays transient, so that a token which is about to be put right costs nobody their
  message.
"""

import json
from dataclasses import dataclass
from datetime import datetime

from fogbell.model.outcome import Fault, Outcome, Reply
from fogbell_worker.http.client import Answer
from fogbell_worker.http.failures import parse_retry_after

_UNSUBSCRIBED = 21610

_THROTTLED = frozenset({14107, 20429, 21611, 30001, 30022, 63038})
_BUSY = frozenset({20503, 21730})
_OURS = {
    20003: "gateway_auth",
    **dict.fromkeys((20005, 20008, 30002), "gateway_account"),
    **dict.fromkeys((21212, 21603, 21606, 21659, 21660, 21661, 21705), "gateway_sender"),
}
_FINAL = {
    _UNSUBSCRIBED: "unsubscribed",
    **dict.fromkeys((21211, 30005), "bad_address"),
    **dict.fromkeys((21614, 21635, 30006), "not_mobile"),
    **dict.fromkeys((21408, 21608, 21612), "unroutable"),
    **dict.fromkeys((21602, 21617, 21619), "content_refused"),
    **dict.fromkeys((30004, 30007), "blocked"),
}
_AMBIGUOUS = frozenset({500, 502, 504})
_UNSENT = frozenset({"canceled", "failed", "undelivered"})


@dataclass(frozen=True, slots=True)
class GatewayBody:
    """What is read of an answer's JSON; None and "" where there is none."""

    code: int | None = None
    sid: str = ""
    status: str = ""
    segments: str = ""


def read_body(body: bytes) -> GatewayBody:
    """The fields that matter of a Message or an error; an empty `GatewayBody` for all else."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return GatewayBody()
    if not isinstance(document, dict):
        return GatewayBody()
    code = next((c for c in (document.get("code"), document.get("error_code")) if c), None)
    return GatewayBody(
        code=code if type(code) is int and 0 < code < 1_000_000 else None,
        sid=_word(document.get("sid")),
        status=_word(document.get("status")),
        segments=_word(document.get("num_segments")),
    )


def classify(answer: Answer, now: datetime) -> Reply:
    """The reply for what the gateway answered; ``now`` is aware."""
    body = read_body(answer.body)
    if 200 <= answer.status < 300 and body.status not in _UNSENT:
        return Reply(Outcome.ACCEPTED, code=str(answer.status), detail=_receipt(body))
    code = str(answer.status if body.code is None else body.code)
    outcome, reason = _judge(answer.status, body.code)
    pause = parse_retry_after(answer.retry_after, now) if outcome is Outcome.TRANSIENT else None
    return Reply(
        outcome,
        code=code,
        reason=reason,
        detail=f"HTTP {answer.status}" if body.code is not None else None,
        retry_after=pause,
        suppress=body.code == _UNSUBSCRIBED,
        # no route from this gateway, or none for this account: another may have one
        fault=Fault.PROVIDER if reason == "unroutable" else None,
    )


def _judge(status: int, code: int | None) -> tuple[Outcome, str]:
    by_code = _judge_code(code)
    if by_code is not None:
        return by_code
    if status in (408, 425, 429):
        return Outcome.TRANSIENT, "throttled" if status == 429 else "timeout"
    if status in _AMBIGUOUS:
        return Outcome.AMBIGUOUS, "gateway_error"
    if status >= 500:
        return Outcome.TRANSIENT, "unavailable"
    if status in (401, 403):
        return Outcome.TRANSIENT, "gateway_auth"
    if status in (404, 405) or 300 <= status < 400:
        return Outcome.TRANSIENT, "gateway_address"
    return Outcome.PERMANENT, "rejected"


def _judge_code(code: int | None) -> tuple[Outcome, str] | None:
    if code is None:
        return None
    if code in _THROTTLED:
        return Outcome.TRANSIENT, "throttled"
    if code in _BUSY:
        return Outcome.TRANSIENT, "unavailable"
    if code in _OURS:
        return Outcome.TRANSIENT, _OURS[code]
    return (Outcome.PERMANENT, _FINAL[code]) if code in _FINAL else None


def _receipt(body: GatewayBody) -> str | None:
    """The gateway's id for the message, to look it up there, and what it was billed as."""
    if not body.sid:
        return None
    segments = f", segments: {body.segments}" if body.segments not in ("", "0") else ""
    return f"{body.sid}{segments}"


def _word(value: object) -> str:
    """``value`` as one short word, or "": it goes into a record, and may be anybody's."""
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text if len(text) <= 64 and text.isascii() and text.isalnum() else ""
