"""To which trace a try of a delivery belongs."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from opentelemetry.trace import StatusCode
from tests.support.spans import attributes, context, spans_kept

from fogbell.model.delivery import Claimed
from fogbell.model.outcome import Deferred, Outcome, Reply
from fogbell.model.status import Channel, Lane
from fogbell.telemetry import traces
from fogbell.telemetry.lineage import Lineage
from fogbell_worker.tracing import SAME_TRACE, placed, tell_reply, tell_sent

FIRST = Claimed(
    id=UUID(int=1),
    token="t",
    notification_id=UUID(int=2),
    recipient_id="ann",
    channel=Channel.EMAIL,
    lane=Lane.TRANSACTIONAL,
    created_at=datetime(2026, 5, 1, tzinfo=UTC),
)
POSTED, CLAIM = context(1), context(2)
SOON = FIRST.created_at + timedelta(seconds=1)


def test_the_first_try_belongs_to_the_trace_of_the_post_and_is_linked_to_its_claim() -> None:
    for now in (SOON, FIRST.created_at + SAME_TRACE):
        assert placed(FIRST, POSTED, CLAIM, now) == Lineage(POSTED, (CLAIM,))
    assert placed(FIRST, POSTED, None, SOON) == Lineage(POSTED)


@pytest.mark.parametrize(
    "changed",
    [{"attempt_count": 1}, {"lost_leases": 1}, {"replays": 1}, {"lane": Lane.BULK}],
)
def test_a_later_try_and_any_of_bulk_is_a_trace_of_its_own(changed: dict[str, Any]) -> None:
    later = replace(FIRST, **changed)
    assert placed(later, POSTED, CLAIM, SOON) == Lineage(None, (POSTED, CLAIM))


def test_a_first_try_that_had_to_wait_is_a_trace_of_its_own() -> None:
    late = FIRST.created_at + SAME_TRACE + timedelta(milliseconds=1)
    assert placed(FIRST, POSTED, CLAIM, late) == Lineage(None, (POSTED, CLAIM))


def test_a_refusal_fails_its_span_and_is_never_told_in_the_providers_words() -> None:
    reply = Reply(Outcome.PERMANENT, code="550", reason="refused", detail="ann@example.org?")
    with spans_kept() as spans, traces.span("send", Lineage()) as span:
        tell_reply(span, reply)
    sent = spans.one("send")
    assert sent.status.status_code is StatusCode.ERROR
    assert attributes(sent) == {
        "error.type": "refused",
        "fogbell.code": "550",
        "fogbell.outcome": "permanent",
        "fogbell.reason": "refused",
    }


def test_what_is_put_back_untried_has_not_failed() -> None:
    with spans_kept() as spans, traces.span("deliver", Lineage()) as span:
        tell_sent(span, Deferred("rate_limited", 1.0))
    assert spans.one("deliver").status.is_unset
    assert attributes(spans.one("deliver")) == {
        "fogbell.outcome": "deferred",
        "fogbell.reason": "rate_limited",
    }
