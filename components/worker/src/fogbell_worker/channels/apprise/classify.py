"""From what Apprise tells to a `Reply`. Pure.

Source: Apprise 2.2, ``NotifyBase.notify``: True where the service took the message, False for all
else: a refusal, a connection that failed, an answer that did not come. A plugin may log the HTTP
status of a refusal, which then is the attempt's code; Retry-After is lost.
"""

from fogbell.model.outcome import Outcome, Reply
from fogbell_worker.http.failures import MAX_RETRY_AFTER


def classify(accepted: bool, status: str | None, *, was_silent: bool) -> Reply:
    """The reply to yes or no.

    ``was_silent``: it took as long as a service may be silent, so that a no may be an answer that
    did not come in time. Any other no is *transient*: it may be a token that is about to be put
    right, and nothing tells which.
    """
    if accepted:
        return Reply(Outcome.ACCEPTED, code=status)
    if status is None:
        if was_silent:
            return Reply(Outcome.AMBIGUOUS, reason="no_reply")
        return Reply(Outcome.TRANSIENT, reason="failed", detail="Apprise says no more than that")
    return Reply(Outcome.TRANSIENT, code=status, reason=_reason(int(status)))


def classify_pause(seconds: float) -> Reply:
    """The reply where the service asks to be left alone for a while."""
    pause = min(seconds, MAX_RETRY_AFTER)
    return Reply(Outcome.TRANSIENT, reason="throttled", retry_after=pause)


def _reason(status: int) -> str:
    if status == 429:
        return "throttled"
    return "unavailable" if status >= 500 else "refused"
