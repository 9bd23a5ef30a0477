"""What intake counts (names and labels: docs/metrics.md)."""

from prometheus_client import CollectorRegistry, Counter

from fogbell.model.status import Lane


class IntakeMetrics:
    """Intake's metrics in a registry of their own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._accepted = Counter(
            "fogbell_notifications_accepted",
            "Notifications stored and answered 202; a repeated post is not counted.",
            ["lane"],
            registry=self.registry,
        )
        self._published = Counter(
            "fogbell_publish",
            "Messages published, by whether the broker confirmed them.",
            ["outcome"],
            registry=self.registry,
        )
        self._unknown = Counter(
            "fogbell_template_unknown_variables",
            "Variables that a template named and nobody provided: rendered as nothing.",
            registry=self.registry,
        )

    def accepted(self, lane: Lane) -> None:
        """A notification was stored."""
        self._accepted.labels(lane.value).inc()

    def published(self, outcome: str) -> None:
        """A message was ``confirmed`` or has ``failed``."""
        self._published.labels(outcome).inc()

    def unknown_variable(self) -> None:
        """A template named a variable that nobody provided."""
        self._unknown.inc()
