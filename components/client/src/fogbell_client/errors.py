"""What can go wrong with a request. Every message says what came and, where it can, what to do."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2

LOST = (httpx2.RequestError, httpx2.InvalidURL)
"""What httpx2 raises where there is no answer."""

_UNSENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.UnsupportedProtocol,
    httpx2.InvalidURL,
)


class FogbellError(Exception):
    """The base of everything that this package raises by itself."""


class ProblemError(FogbellError):
    """Intake answered with a problem (RFC 9457); branch on ``code``, which is stable.

    ``document`` is the whole of it. ``retry_after``: seconds before which intake asks not to be
    asked again. As a text: title, detail and every place that is wrong, a line each.
    """

    def __init__(
        self, status: int, document: Mapping[str, object], retry_after: float | None = None
    ) -> None:
        self.status = status
        self.retry_after = retry_after
        self.document = dict(document)
        super().__init__(describe(status, document))

    @property
    def code(self) -> str:
        """``unknown-recipient``, ``rate-limited``, ...; empty if it was not intake that spoke."""
        return str(self.document.get("code", ""))


class UnreachableError(FogbellError):
    """There is no answer. ``sent``: the request may have reached intake, and may have had effect.

    The cause is httpx2's error.
    """

    def __init__(self, message: str, *, sent: bool) -> None:
        self.sent = sent
        super().__init__(message)


class ExpiredTokenError(FogbellError):
    """A live stream has ended because the recipient's token is over.

    Open another with a new token and ``last_event_id`` to go on where this one ended.
    """

    def __init__(self, last_event_id: str | None) -> None:
        self.last_event_id = last_event_id
        super().__init__("the recipient's token has expired: ask for another, then stream again")


def describe(status: int, document: Mapping[str, object]) -> str:
    """Title, detail and every pointer of a problem, a line each."""
    lines = [f"{document.get('title', 'Error')} ({status})"]
    places = [f"{_place(error)}: {error.get('detail', '')}" for error in _errors(document)]
    detail = document.get("detail")
    # A detail may only repeat the first place; whoever reads both wonders what the difference is.
    if detail and not (places and str(detail).startswith(places[0])):
        lines.append(f"  {detail}")
    lines += [f"  {place}" for place in places]
    if status >= 500 and (request_id := document.get("request_id")):
        lines.append(f"  Intake's log says more about request {request_id}.")
    return "\n".join(lines)


def _errors(document: Mapping[str, object]) -> list[Mapping[str, object]]:
    errors = document.get("errors")
    return [e for e in errors if isinstance(e, Mapping)] if isinstance(errors, list) else []


def _place(error: Mapping[str, object]) -> str:
    return str(error.get("pointer") or error.get("parameter") or "#")


def from_response(response: httpx2.Response) -> ProblemError:
    """The error of an answer that is no success; its body has been read."""
    try:
        document = response.json()
    except ValueError:
        document = None
    if not isinstance(document, dict) or response.is_success:
        title = response.reason_phrase or "Unexpected answer"
        document = {"title": title, "detail": "This does not look like Fogbell's intake."}
    return ProblemError(response.status_code, document, retry_after(response.headers))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a ``Retry-After``, which is a number or a date (RFC 9110, section 10.2.3)."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    # "-0000" says that the zone is not known; HTTP's dates are UTC.
    aware = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())


def unreachable(url: str, error: Exception) -> UnreachableError:
    """The error for what httpx2 raised (`LOST`)."""
    sent = not isinstance(error, _UNSENT)
    if not sent:
        message = f"nothing answers at {url} ({type(error).__name__})"
    elif isinstance(error, httpx2.TimeoutException):
        message = f"{url} did not answer in time"
    else:
        message = f"the connection to {url} was lost ({type(error).__name__})"
    return UnreachableError(message, sent=sent)
