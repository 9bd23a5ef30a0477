"""What a record adds to the worker's counters."""

from dataclasses import replace
from datetime import UTC, datetime

from tests.support.deliveries import attempt
from tests.support.smtp import work

from fogbell.model.outcome import Outcome, Reply
from fogbell.model.status import Cause, Channel
from fogbell.policy import Verdict
from fogbell.store.records import Record
from fogbell_worker.metrics import REASONS, WorkerMetrics


def value(metrics: WorkerMetrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"fogbell_{name}", {"channel": "email", **labels})


def test_every_try_is_timed_and_the_last_one_is_counted() -> None:
    metrics = WorkerMetrics()
    last = replace(attempt(), earlier=(attempt(Outcome.TRANSIENT, provider="relay-0"),))
    metrics.recorded(Record(work().delivery, Verdict(Cause.ACCEPTED), last), datetime.now(UTC))
    counted = [
        value(metrics, "deliveries_total", provider=name, outcome="delivered")
        for name in ("relay-0", "relay-a")
    ]
    timed = [
        value(metrics, "delivery_duration_seconds_count", provider=name)
        for name in ("relay-0", "relay-a")
    ]
    assert (counted, timed) == ([None, 1.0], [1.0, 1.0])


def test_what_a_provider_refuses_is_counted_by_its_reason() -> None:
    metrics = WorkerMetrics()
    refused = Reply(Outcome.TRANSIENT, code="451", reason="greylisted")
    last = replace(attempt(), reply=refused, earlier=(attempt(Outcome.AMBIGUOUS),))
    failed = Verdict(Cause.RETRY_LATER, "greylisted", 5.0)
    metrics.recorded(Record(work().delivery, failed, last), datetime.now(UTC))
    labels = {"provider": last.provider, "outcome": "transient", "reason": "greylisted"}
    assert value(metrics, "attempts_failed_total", **labels) == 1.0
    labels |= {"outcome": "ambiguous", "reason": last.earlier[0].reply.reason or "none"}
    assert value(metrics, "attempts_failed_total", **labels) == 1.0


def test_reasons_have_an_end_whatever_a_provider_says() -> None:
    metrics = WorkerMetrics()
    verdict = Verdict(Cause.RETRY_LATER, "x", 5.0)
    for number in range(REASONS + 6):
        refused = replace(attempt(), reply=Reply(Outcome.TRANSIENT, reason=f"r{number}"))
        metrics.recorded(Record(work().delivery, verdict, refused), datetime.now(UTC))
    labels = {"provider": attempt().provider, "outcome": "transient"}
    assert value(metrics, "attempts_failed_total", **labels, reason="other") == 6.0
    assert value(metrics, "attempts_failed_total", **labels, reason="r0") == 1.0


def test_what_is_put_back_is_counted_apart() -> None:
    metrics = WorkerMetrics()
    back = Record(work().delivery, Verdict(Cause.RELEASE, "rate_limited", 5.0))
    metrics.recorded(back, datetime.now(UTC))
    assert value(metrics, "deliveries_deferred_total", reason="rate_limited") == 1.0
    assert value(metrics, "deliveries_total", provider="none", outcome="pending") is None


def test_a_breaker_shows_whether_it_is_open() -> None:
    metrics = WorkerMetrics()
    for is_open in (False, True):
        metrics.breaker(Channel.EMAIL, "relay-a", is_open)
        assert value(metrics, "provider_breaker_open", provider="relay-a") == float(is_open)
