"""What intake counts (names and labels: docs/metrics.md)."""

from collections.abc import Sized

from prometheus_client import CollectorRegistry, Counter, Gauge

from fogbell.model.status import Lane
from fogbell.telemetry.metrics import publish_counter, unknown_variable_counter


class IntakeMetrics:
    """Intake's metrics in a registry of their own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        accepted = Counter(
            "fogbell_notifications_accepted",
            "Notifications stored and answered 202; a repeated post is not counted.",
            ["lane"],
            registry=self.registry,
        )
        # Looked up once: by its label each time takes longer than to count.
        self._accepted_by_lane = {lane: accepted.labels(lane.value) for lane in Lane}
        self._inbox_streams = Gauge(
            "fogbell_inbox_streams",
            "Live inbox streams that are open at this process.",
            registry=self.registry,
        )
        self.published = publish_counter(self.registry)
        self.unknown_variable = unknown_variable_counter(self.registry)

    def accepted(self, lane: Lane) -> None:
        """A notification was stored."""
        self._accepted_by_lane[lane].inc()

    def watch_streams(self, streams: Sized) -> None:
        """``streams`` are those open at present: their number is asked for at each scrape."""
        self._inbox_streams.set_function(lambda: len(streams))
