"""What the operator shows of a Campaign, and that it is gone with it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from fogbell.model.status import DeliveryStatus
from fogbell_operator.metrics import OperatorMetrics

HERE = {"namespace": "notify", "campaign": "hello"}
NEXT = datetime(2026, 1, 2, tzinfo=UTC)
STANDS: dict[str, Any] = {
    "ready": True,
    "last_run": False,
    "next_run": NEXT,
    "overdue": timedelta(minutes=2),
    "throttle": 25,
}


def shown(metrics: OperatorMetrics) -> dict[str, float]:
    """The gauges of the Campaign that are there, by the end of their names."""
    return {
        sample.name.removeprefix("fogbell_campaign_"): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.labels == HERE
    }


def test_a_campaign_is_shown_as_it_stands() -> None:
    metrics = OperatorMetrics()
    metrics.campaigns.stands("notify", "hello", **STANDS)
    assert shown(metrics) == {
        "ready": 1.0,
        "last_run_succeeded": 0.0,
        "next_run_timestamp_seconds": NEXT.timestamp(),
        "run_overdue_seconds": 120.0,
        "throttle_per_second": 25.0,
    }


def test_what_does_not_hold_any_more_is_absent() -> None:
    metrics = OperatorMetrics()
    metrics.campaigns.stands("notify", "hello", **STANDS)
    changed = STANDS | {"ready": None, "last_run": None, "next_run": None, "throttle": None}
    metrics.campaigns.stands("notify", "hello", **changed)
    assert shown(metrics) == {"run_overdue_seconds": 120.0}


def test_nothing_is_left_of_a_campaign_that_is_forgotten() -> None:
    metrics = OperatorMetrics()
    metrics.campaigns.stands("notify", "hello", **STANDS)
    metrics.campaigns.run("notify", "hello", {DeliveryStatus.DELIVERED: 3})
    metrics.campaigns.forget("notify", "hello")
    assert "hello" not in {
        sample.labels.get("campaign")
        for family in metrics.registry.collect()
        for sample in family.samples
    }
