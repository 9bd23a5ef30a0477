import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpcore2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbell.model.outcome import Outcome
from fogbell_worker.channels.webhook.classify import classify_status
from fogbell_worker.http.failures import MAX_RETRY_AFTER, classify_failure, parse_retry_after
from fogbell_worker.http.guard import AddressRefusedError, ResolveError

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@given(st.integers(200, 299))
def test_every_2xx_is_accepted(status: int) -> None:
    reply = classify_status(status, None, NOW)
    assert (reply.outcome, reply.code) == (Outcome.ACCEPTED, str(status))


@given(st.integers(100, 999).filter(lambda s: not 200 <= s < 400 and s not in (410, 413, 415, 422)))
def test_what_is_not_final_is_tried_again(status: int) -> None:
    reply = classify_status(status, "7", NOW)
    assert (reply.outcome, reply.retry_after) == (Outcome.TRANSIENT, 7.0)
    assert reply.reason
    assert not reply.suppress


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (301, "redirected"),
        (304, "redirected"),
        (308, "redirected"),
        (413, "rejected"),
        (415, "rejected"),
        (422, "rejected"),
    ],
)
def test_what_the_same_request_cannot_change_is_final(status: int, reason: str) -> None:
    reply = classify_status(status, "7", NOW)
    assert (reply.outcome, reply.reason) == (Outcome.PERMANENT, reason)
    assert not reply.suppress


def test_gone_asks_for_the_address_to_be_suppressed() -> None:
    reply = classify_status(410, None, NOW)
    assert (reply.outcome, reply.reason, reply.suppress) == (Outcome.PERMANENT, "gone", True)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "rejected"),
        (401, "rejected"),
        (404, "rejected"),
        (408, "timeout"),
        (425, "too_early"),
        (429, "throttled"),
        (500, "unavailable"),
        (503, "unavailable"),
    ],
)
def test_a_transient_reply_says_why(status: int, reason: str) -> None:
    assert classify_status(status, None, NOW).reason == reason


@given(st.integers(0, 10**40))
def test_retry_after_in_seconds_is_capped_at_a_day(seconds: int) -> None:
    assert parse_retry_after(str(seconds), NOW) == min(float(seconds), MAX_RETRY_AFTER)


def test_retry_after_with_more_digits_than_int_takes_is_a_day() -> None:
    assert parse_retry_after("9" * 10_000, NOW) == MAX_RETRY_AFTER


@given(st.integers(0, 10**7))
def test_retry_after_as_a_date_is_the_time_until_then(seconds: int) -> None:
    value = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert parse_retry_after(value, NOW) == min(float(seconds), MAX_RETRY_AFTER)


def test_retry_after_takes_the_obsolete_date_formats_of_rfc_9110() -> None:
    assert parse_retry_after("Sunday, 01-Mar-26 12:00:09 GMT", NOW) == 9.0
    assert parse_retry_after("Sun Mar  1 12:00:09 2026", NOW) == 9.0


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "-5",
        "soon",
        "1.5",
        "٣",
        "Sun, 01 Mar 2026 11:59:59 GMT",
        "Sun, 01 Mar 99999 1:1:1",
    ],
)
def test_retry_after_that_says_nothing_usable_is_ignored(value: str | None) -> None:
    assert parse_retry_after(value, NOW) is None


@given(st.text(max_size=60))
def test_no_retry_after_breaks_the_parser(value: str) -> None:
    pause = parse_retry_after(value, NOW)
    assert pause is None or 0 <= pause <= MAX_RETRY_AFTER


@pytest.mark.parametrize(
    ("error", "outcome", "reason"),
    [
        (AddressRefusedError("no"), Outcome.PERMANENT, "address_refused"),
        (ResolveError("no"), Outcome.TRANSIENT, "dns"),
        (httpcore2.ConnectError(ssl.SSLError(1, "x")), Outcome.TRANSIENT, "tls"),
        (httpcore2.ConnectError(OSError("x")), Outcome.TRANSIENT, "unreachable"),
        (httpcore2.ReadError(), Outcome.TRANSIENT, "unreachable"),
        (httpcore2.ConnectTimeout(), Outcome.TRANSIENT, "timeout"),
        (httpcore2.PoolTimeout(), Outcome.TRANSIENT, "timeout"),
        (TimeoutError(), Outcome.TRANSIENT, "timeout"),
        (RuntimeError("bug"), Outcome.TRANSIENT, "internal_error"),
    ],
)
def test_before_the_body_is_handed_over_a_failure_is_never_ambiguous(
    error: Exception, outcome: Outcome, reason: str
) -> None:
    reply = classify_failure(error, handed_over=False)
    assert (reply.outcome, reply.reason) == (outcome, reason)


@pytest.mark.parametrize(
    "error",
    [
        TimeoutError(),
        httpcore2.ReadTimeout(),
        httpcore2.ReadError(),
        httpcore2.WriteError(),
        httpcore2.RemoteProtocolError("garbage"),
        RuntimeError("bug"),
    ],
)
def test_once_the_body_is_handed_over_no_reply_is_ambiguous(error: Exception) -> None:
    reply = classify_failure(error, handed_over=True)
    assert (reply.outcome, reply.reason) == (Outcome.AMBIGUOUS, "no_reply")


def test_a_lower_layers_message_never_becomes_the_detail() -> None:
    error = httpcore2.ConnectError("https://secret.example/token")
    assert classify_failure(error, handed_over=False).detail == "ConnectError"
