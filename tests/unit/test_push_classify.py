import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.anyjson import JSON

from fogbell.model.outcome import Outcome
from fogbell_worker.channels.push.classify_fcm import QUOTA_PAUSE, classify_fcm, read_error
from fogbell_worker.channels.push.classify_webpush import classify_webpush
from fogbell_worker.http.client import Answer

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STATUSES = st.integers(100, 599)


def fcm_error(code: str | None, status: str = "X", **more: object) -> bytes:
    details = [{"@type": "FcmError", "errorCode": code}] if code else []
    return json.dumps({"error": {"status": status, "details": details, **more}}).encode()


@pytest.mark.parametrize(
    ("status", "code", "outcome", "reason"),
    [
        (400, "INVALID_ARGUMENT", Outcome.PERMANENT, "rejected"),
        (401, "THIRD_PARTY_AUTH_ERROR", Outcome.TRANSIENT, "provider_auth"),
        (403, "SENDER_ID_MISMATCH", Outcome.PERMANENT, "sender_mismatch"),
        (404, "UNREGISTERED", Outcome.PERMANENT, "gone"),
        (429, "QUOTA_EXCEEDED", Outcome.TRANSIENT, "throttled"),
        (500, "INTERNAL", Outcome.TRANSIENT, "unavailable"),
        (503, "UNAVAILABLE", Outcome.TRANSIENT, "unavailable"),
    ],
)
def test_every_error_code_of_fcm_has_its_meaning(
    status: int, code: str, outcome: Outcome, reason: str
) -> None:
    reply = classify_fcm(Answer(status, {}, fcm_error(code)), NOW)
    assert (reply.outcome, reply.code, reply.reason) == (outcome, code, reason)
    assert reply.suppress == (code == "UNREGISTERED")


@given(STATUSES, st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ_", min_size=1, max_size=40))
def test_only_an_unregistered_token_is_suppressed(status: int, code: str) -> None:
    reply = classify_fcm(Answer(status, {}, fcm_error(code)), NOW)
    assert reply.suppress == (code == "UNREGISTERED" and not 200 <= status < 300)


def test_a_404_that_names_no_token_never_suppresses_one() -> None:
    reply = classify_fcm(Answer(404, {}, fcm_error(None, "NOT_FOUND")), NOW)
    assert (reply.outcome, reply.reason) == (Outcome.TRANSIENT, "provider_address")
    assert not reply.suppress


@given(STATUSES, JSON)
def test_whatever_fcm_says_makes_a_reply(status: int, document: object) -> None:
    for body in (json.dumps(document), json.dumps({"error": document})):
        reply = classify_fcm(Answer(status, {}, body.encode()), NOW)
        assert (reply.outcome is Outcome.ACCEPTED) == (200 <= status < 300)
        assert reply.outcome is Outcome.ACCEPTED or reply.reason


@given(STATUSES, st.binary(max_size=200))
def test_bytes_that_are_no_json_leave_the_status_to_judge(status: int, body: bytes) -> None:
    broken = classify_fcm(Answer(status, {}, b"<html>" + body), NOW)
    assert broken == classify_fcm(Answer(status), NOW)


def test_a_quota_that_names_no_pause_waits_for_its_refill() -> None:
    body = fcm_error("QUOTA_EXCEEDED")
    assert classify_fcm(Answer(429, {}, body), NOW).retry_after == QUOTA_PAUSE
    assert classify_fcm(Answer(429, {"retry-after": "9"}, body), NOW).retry_after == 9.0


def test_an_error_tells_which_field_it_is_about_and_nothing_of_its_value() -> None:
    violations = [
        {"field": "message.data[0].value", "description": "Invalid value: secret"},
        {"field": "secret words", "description": ""},
    ]
    body = fcm_error(
        None, "INVALID_ARGUMENT", message="secret", details=[{"fieldViolations": violations}]
    )
    reply = classify_fcm(Answer(400, {}, body), NOW)
    assert reply.detail == "HTTP 400: message.data[0].value"
    assert "secret" not in repr(reply)
    assert read_error(body).fields == ("message.data[0].value",)


@given(STATUSES)
def test_whatever_a_push_service_says_makes_a_reply(status: int) -> None:
    reply = classify_webpush(Answer(status, {"retry-after": "9"}), NOW)
    assert (reply.outcome is Outcome.ACCEPTED) == (200 <= status < 300)
    assert reply.suppress == (status in (404, 410))
    assert (reply.retry_after == 9.0) == (reply.outcome is Outcome.TRANSIENT)
    assert reply.code == str(status)


@pytest.mark.parametrize(
    ("status", "outcome", "reason"),
    [
        (302, Outcome.PERMANENT, "redirected"),
        (400, Outcome.PERMANENT, "rejected"),
        (401, Outcome.TRANSIENT, "provider_auth"),
        (403, Outcome.TRANSIENT, "provider_auth"),
        (404, Outcome.PERMANENT, "gone"),
        (408, Outcome.TRANSIENT, "timeout"),
        (410, Outcome.PERMANENT, "gone"),
        (413, Outcome.PERMANENT, "too_large"),
        (429, Outcome.TRANSIENT, "throttled"),
        (500, Outcome.TRANSIENT, "unavailable"),
        (503, Outcome.TRANSIENT, "unavailable"),
    ],
)
def test_a_push_service_status_has_its_meaning(status: int, outcome: Outcome, reason: str) -> None:
    reply = classify_webpush(Answer(status), NOW)
    assert (reply.outcome, reply.reason) == (outcome, reason)
