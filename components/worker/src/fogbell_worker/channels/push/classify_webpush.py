"""From a push service's answer to a `Reply`. Pure.

Sources: RFC 8030 (201 and 202 are receipts, 404 and 410 mean that the subscription is no more,
413 and 429), RFC 8292 (401 and 403: the key or its token), and Mozilla's documentation of its own
service (https://autopush.readthedocs.io/en/latest/http.html).
"""

from datetime import datetime

from fogbell.model.outcome import Outcome, Reply
from fogbell_worker.http.client import Answer
from fogbell_worker.http.failures import parse_retry_after


def classify_webpush(answer: Answer, now: datetime) -> Reply:
    """The reply for what a push service answered; ``now`` is aware.

    Where the service refuses *us* (401, 403) the subscription stays: a key that was mistyped must
    not cost every browser its messages.
    """
    status, code = answer.status, str(answer.status)
    if 200 <= status < 300:
        return Reply(Outcome.ACCEPTED, code=code)
    if status in (404, 410):
        return Reply(Outcome.PERMANENT, code=code, reason="gone", suppress=True)
    if 300 <= status < 400:
        return Reply(Outcome.PERMANENT, code=code, reason="redirected")
    if status == 413:
        return Reply(Outcome.PERMANENT, code=code, reason="too_large")
    reason = _transient_reason(status)
    if reason is None:
        return Reply(Outcome.PERMANENT, code=code, reason="rejected")
    pause = parse_retry_after(answer.retry_after, now)
    return Reply(Outcome.TRANSIENT, code=code, reason=reason, retry_after=pause)


def _transient_reason(status: int) -> str | None:
    if status in (401, 403):
        return "provider_auth"
    if status == 429:
        return "throttled"
    if status in (408, 425):
        return "timeout"
    return "unavailable" if not 400 <= status < 500 else None
