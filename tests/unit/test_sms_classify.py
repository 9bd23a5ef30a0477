import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.anyjson import JSON

from fogbell.model.outcome import Outcome
from fogbell_worker.channels.sms.classify import classify, read_body
from fogbell_worker.http.client import Answer

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def answer(status: int, document: object = None, **headers: str) -> Answer:
    return Answer(status, headers, json.dumps(document).encode())


@given(st.integers(100, 599), JSON)
def test_whatever_the_gateway_says_makes_a_reply(status: int, document: object) -> None:
    reply = classify(answer(status, document), NOW)
    assert (reply.outcome is Outcome.ACCEPTED) <= (200 <= status < 300)
    assert reply.outcome is Outcome.ACCEPTED or reply.reason
    assert len(reply.detail or "") <= 200


@given(st.integers(100, 599), st.binary(max_size=200))
def test_bytes_that_are_no_json_leave_the_status_to_judge(status: int, body: bytes) -> None:
    reply = classify(Answer(status, {}, b"<html>" + body), NOW)
    assert reply == classify(Answer(status), NOW)


@given(st.integers(100, 599), st.integers(0, 99_999))
def test_only_who_said_stop_is_suppressed(status: int, code: int) -> None:
    reply = classify(answer(status, {"code": code}), NOW)
    assert reply.suppress == (code == 21610 and not 200 <= status < 300)


@pytest.mark.parametrize("status", [500, 502, 504])
def test_an_error_that_may_hide_a_message_is_ambiguous(status: int) -> None:
    assert classify(answer(status, {"code": 20500}), NOW).outcome is Outcome.AMBIGUOUS


@pytest.mark.parametrize("status", [408, 425, 429, 503])
def test_a_refusal_before_the_work_is_tried_again(status: int) -> None:
    reply = classify(Answer(status, {"retry-after": "9"}), NOW)
    assert (reply.outcome, reply.retry_after) == (Outcome.TRANSIENT, 9.0)


@pytest.mark.parametrize(
    ("status", "reason"),
    [(301, "gateway_address"), (401, "gateway_auth"), (403, "gateway_auth"),
     (404, "gateway_address"), (405, "gateway_address")],
)  # fmt: skip
def test_what_an_operator_can_put_right_stays_transient(status: int, reason: str) -> None:
    reply = classify(Answer(status), NOW)
    assert (reply.outcome, reply.reason) == (Outcome.TRANSIENT, reason)


@pytest.mark.parametrize("status", [400, 410, 413, 422])
def test_a_code_that_nobody_knows_follows_its_status(status: int) -> None:
    reply = classify(answer(status, {"code": 21999}), NOW)
    assert (reply.outcome, reply.code, reply.reason) == (Outcome.PERMANENT, "21999", "rejected")


def test_a_message_created_and_failed_at_once_is_not_accepted() -> None:
    failed = {"sid": "SM1", "status": "failed", "error_code": 30006}
    reply = classify(answer(201, failed), NOW)
    assert (reply.outcome, reply.code, reply.reason) == (Outcome.PERMANENT, "30006", "not_mobile")


@pytest.mark.parametrize("strange", ["+31612345678", "a b", "x" * 65, "ü", True, 1.5, ["SM1"]])
def test_a_sid_is_one_word_or_nothing(strange: object) -> None:
    assert read_body(json.dumps({"sid": strange}).encode()).sid == ""


def test_a_body_nested_beyond_measure_is_no_body() -> None:
    assert classify(Answer(200, {}, b"[" * 16_000), NOW).outcome is Outcome.ACCEPTED
