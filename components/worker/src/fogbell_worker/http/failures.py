"""What an HTTP exchange without an answer means, and how long an answer asks to wait. Pure."""

import re
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpcore2

from fogbell.model.outcome import Outcome, Reply
from fogbell_worker.http.guard import AddressRefusedError, ResolveError

MAX_RETRY_AFTER = 24 * 3600.0
"""Nobody keeps a delivery waiting longer than this, in seconds."""

_SECONDS = re.compile(r"[0-9]+")


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds from RFC 9110's Retry-After (delta-seconds or HTTP-date), at most a day.

    None where there is none, where it is not understood and where it lies in the past.
    """
    text = (value or "").strip()
    if _SECONDS.fullmatch(text) and text.isascii():
        # the length first: int() refuses thousands of digits
        return min(float(text[:12]), MAX_RETRY_AFTER) if len(text) <= 12 else MAX_RETRY_AFTER
    when = _http_date(text)
    if when is None or when < now:
        return None
    return min((when - now).total_seconds(), MAX_RETRY_AFTER)


def _http_date(text: str) -> datetime | None:
    try:
        when = parsedate_to_datetime(text)
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def classify_failure(error: Exception, *, handed_over: bool) -> Reply:
    """The reply for a request that ended without an answer.

    ``handed_over`` says whether any of the request's body had been given to the network: then the
    receiver may have acted on it. That includes a kept connection which the receiver closed at the
    moment of its reuse, as nothing tells the two apart.
    """
    if isinstance(error, AddressRefusedError):
        return Reply(Outcome.PERMANENT, reason="address_refused", detail=str(error))
    if isinstance(error, ResolveError):
        return Reply(Outcome.TRANSIENT, reason="dns", detail=str(error))
    if handed_over:
        return Reply(Outcome.AMBIGUOUS, reason="no_reply", detail=_kind(error))
    tls = next((arg for arg in error.args if isinstance(arg, ssl.SSLError)), None)
    if tls is not None:
        return Reply(Outcome.TRANSIENT, reason="tls", detail=_tls_detail(tls))
    if isinstance(error, TimeoutError | httpcore2.TimeoutException):
        return Reply(Outcome.TRANSIENT, reason="timeout", detail=_kind(error))
    if isinstance(error, httpcore2.NetworkError | httpcore2.ProtocolError | OSError):
        return Reply(Outcome.TRANSIENT, reason="unreachable", detail=_kind(error))
    return Reply(Outcome.TRANSIENT, reason="internal_error", detail=_kind(error))


def _kind(error: Exception) -> str:
    # the type alone: messages of lower layers may hold the host
    return type(error).__name__


def _tls_detail(error: ssl.SSLError) -> str:
    # "Hostname mismatch, certificate is not valid for '<host>'"
    refused = str(getattr(error, "verify_message", "")).partition(",")[0]
    return refused or str(getattr(error, "reason", None) or _kind(error))
