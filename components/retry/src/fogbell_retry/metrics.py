"""What sweeps count, while they run (names and labels: docs/metrics.md)."""

from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge

from fogbell.model.endpoint import EventType
from fogbell.model.status import Channel, DeliveryStatus, Lane
from fogbell.telemetry.metrics import publish_counter


class RetryMetrics:
    """The sweep's metrics in a registry of their own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._released = Counter(
            "fogbell_sweep_released",
            "What went back to a queue: publish_lost, deferred, retry_due, lease_expired,"
            " expansion, replay.",
            ["reason"],
            registry=self.registry,
        )
        self._outstanding = Gauge(
            "fogbell_outstanding",
            "Deliveries that are not settled.",
            ["status"],
            registry=self.registry,
        )
        self._oldest = Gauge(
            "fogbell_oldest_outstanding_seconds",
            "By how much the most overdue delivery is past its time; 0 where none is.",
            ["channel", "lane"],
            registry=self.registry,
        )
        self._called_back = Counter(
            "fogbell_callbacks_created",
            "Events that are told to senders' endpoints; one for each endpoint.",
            ["event"],
            registry=self.registry,
        )
        self.published = publish_counter(self.registry)

    def released(self, reason: str, count: int) -> None:
        """``count`` went back to a queue for ``reason``."""
        self._released.labels(reason).inc(count)

    def called_back(self, event: EventType, count: int) -> None:
        """``count`` callbacks of ``event`` were created."""
        self._called_back.labels(event.value).inc(count)

    def outstanding(self, counts: dict[DeliveryStatus, int]) -> None:
        """How many deliveries are not settled."""
        for status, count in counts.items():
            self._outstanding.labels(status.value).set(count)

    def oldest(self, channel: Channel, lane: Lane, due: datetime | None, now: datetime) -> None:
        """When the most overdue delivery of a queue was due."""
        overdue = max(0.0, (now - due).total_seconds()) if due else 0.0
        self._oldest.labels(channel.value, lane.value).set(overdue)
