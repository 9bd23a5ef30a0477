"""From a receiver's answer to a `Reply`. Pure.

What is tried again is what senders of webhooks commonly try again (Standard Webhooks, Stripe,
Svix): everything but 2xx. A 401, 403 or 404, even a 400, is more often a deployment, a route or a
secret that is about to be put right than a verdict, and the retry policy bounds the cost. Final
are only the answers that the same request cannot change:

- 410: the receiver asks to be forgotten (Standard Webhooks), so the address is suppressed;
- 3xx: redirects are not followed, since the signature and the guard were for this address;
- 413, 415, 422: too large, wrong type, understood and refused; a retry posts the same bytes.
"""

from datetime import datetime
from http import HTTPStatus

from fogbell.model.outcome import Fault, Outcome, Reply
from fogbell_worker.http.failures import parse_retry_after

_FINAL = frozenset({413, 415, 422})
_REASONS = {408: "timeout", 425: "too_early", 429: "throttled"}


def classify_status(status: int, retry_after: str | None, now: datetime) -> Reply:
    """The reply for an HTTP status and its Retry-After header; ``now`` is aware."""
    code = str(status)
    if 200 <= status < 300:
        return Reply(Outcome.ACCEPTED, code=code)
    if status == HTTPStatus.GONE:
        return Reply(Outcome.PERMANENT, code=code, reason="gone", suppress=True)
    if 300 <= status < 400:
        detail = "redirects are not followed; store the address that it leads to"
        return Reply(Outcome.PERMANENT, code=code, reason="redirected", detail=detail)
    if status in _FINAL:
        return Reply(Outcome.PERMANENT, code=code, reason="rejected")
    reason = _REASONS.get(status) or ("rejected" if 400 <= status < 500 else "unavailable")
    pause = parse_retry_after(retry_after, now)
    # one receiver of many: it says nothing about the way there
    return Reply(
        Outcome.TRANSIENT, code=code, reason=reason, retry_after=pause, fault=Fault.MESSAGE
    )
