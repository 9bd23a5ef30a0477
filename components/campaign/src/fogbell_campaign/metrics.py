"""What a run counts, while it goes on (names and labels: docs/metrics.md)."""

from prometheus_client import CollectorRegistry, Counter

from fogbell.telemetry.metrics import ServerMetrics, unknown_variable_counter


class CampaignMetrics:
    """The runner's metrics in a registry of their own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._inserted = Counter(
            "fogbell_campaign_run_inserted",
            "Deliveries that this process has inserted for its run.",
            registry=self.registry,
        )
        self.servers = ServerMetrics(self.registry)
        self.unknown_variable = unknown_variable_counter(self.registry)

    def inserted(self, count: int) -> None:
        """``count`` deliveries are new."""
        self._inserted.inc(count)
