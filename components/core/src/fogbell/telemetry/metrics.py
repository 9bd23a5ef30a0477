"""What several components measure alike; what only one counts is in its own ``metrics.py``."""

import functools
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Bounds of the histograms: from a round trip on one machine to where both servers are given up."""


class ServerMetrics:
    """MongoDB and RabbitMQ, as one process sees them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._published = Counter(
            "fogbell_publish",
            "Messages published: `confirmed` by the broker, or `failed`.",
            ["outcome"],
            registry=registry,
        )
        self._publish_duration = Histogram(
            "fogbell_publish_duration_seconds",
            "From a publish to the broker's confirm, its turn in the window included.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._connected = Gauge(
            "fogbell_rabbitmq_connected",
            "1 while the connection named by its purpose is usable, else 0.",
            ["connection"],
            registry=registry,
        )
        self.mongodb = MongoMetrics(registry)
        self._count = functools.cache(self._published.labels)
        for outcome in ("confirmed", "failed"):
            self._count(outcome)  # what begins at 1 is not seen to rise

    def published(self, outcome: str, seconds: float) -> None:
        """A publish was ``confirmed`` or has ``failed``, after so many seconds."""
        self._count(outcome).inc()
        if outcome == "confirmed":
            self._publish_duration.observe(seconds)

    def connection(self, name: str, connected: Callable[[], bool]) -> None:
        """Ask ``connected`` at each scrape; ``name`` is what the connection is for."""
        self._connected.labels(name).set_function(lambda: float(connected()))


class MongoMetrics:
    """MongoDB, as one process sees it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        duration = Histogram(
            "fogbell_mongodb_command_duration_seconds",
            "From a command to MongoDB's answer, or to the loss of its connection.",
            ["command"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._failures = Counter(
            "fogbell_mongodb_command_failures",
            "Commands that MongoDB refused, or whose connection was lost.",
            ["command"],
            registry=registry,
        )
        # Found once for each command: a bulk run has thousands a second.
        self._took = functools.cache(duration.labels)

    def command(self, name: str, seconds: float, failed: bool) -> None:
        """A command has ended; called in whatever thread ran it."""
        self._took(name).observe(seconds)
        if failed:
            self._failures.labels(name).inc()


def unknown_variable_counter(registry: CollectorRegistry) -> Callable[[], None]:
    """Count variables that a template named and nobody provided: rendered as nothing."""
    counter = Counter(
        "fogbell_template_unknown_variables",
        "Variables that a template named and nobody provided. They render as nothing.",
        registry=registry,
    )
    return counter.inc
