"""What the client makes of answers that are no success."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx2
from hypothesis import given
from hypothesis import strategies as st

from fogbell_client import errors


def test_a_problem_is_shown_with_each_pointer_once() -> None:
    places = [{"pointer": "#/a", "detail": "wrong"}, {"parameter": "limit", "detail": "too big"}]
    shown = errors.describe(
        422, {"title": "Invalid body", "detail": "#/a: wrong (1 more)", "errors": places}
    )
    assert shown.splitlines() == ["Invalid body (422)", "  #/a: wrong", "  limit: too big"]


def test_a_problem_on_the_servers_side_names_the_request() -> None:
    assert "r-1" in errors.describe(500, {"title": "T", "request_id": "r-1"})
    assert "r-1" not in errors.describe(422, {"title": "T", "request_id": "r-1"})


def test_an_answer_that_is_not_from_fogbell_is_said_to_be_none() -> None:
    error = errors.from_response(httpx2.Response(502, text="<html>", headers={}))
    assert "does not look like" in str(error)
    assert error.retry_after is None


def test_retry_after_is_read_in_seconds() -> None:
    def pause(value: str) -> float | None:
        response = httpx2.Response(503, json={"title": "T"}, headers={"Retry-After": value})
        return errors.from_response(response).retry_after

    assert (pause("2"), pause("soon"), pause("")) == (2.0, None, None)


def test_retry_after_may_be_a_date() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=60)
    seconds = errors.retry_after({"Retry-After": format_datetime(soon, usegmt=True)})
    assert seconds is not None
    assert 50 < seconds <= 60
    assert errors.retry_after({"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}) == 0
    assert errors.retry_after({"Retry-After": "Thu, 01 Jan 1970 00:00:00 -0000"}) == 0


@given(st.text())
def test_no_retry_after_is_an_error_by_itself(text: str) -> None:
    seconds = errors.retry_after({"Retry-After": text})
    assert seconds is None or seconds >= 0


def test_a_problem_of_any_shape_is_told() -> None:
    for errors_ in (None, "x", [1], [{"detail": "no place"}]):
        error = errors.ProblemError(422, {"errors": errors_})
        assert str(error).startswith("Error (422)")
        assert error.code == ""
