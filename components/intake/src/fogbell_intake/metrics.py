"""What intake counts (names and labels: docs/metrics.md)."""

import functools
from collections.abc import Sized
from contextlib import AbstractContextManager
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from fogbell.broker import Looks
from fogbell.model.status import Lane
from fogbell.telemetry.metrics import ServerMetrics, unknown_variable_counter
from fogbell_intake.sweeps import SweepCollector

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
"""Anything may stand where a method is expected, and a label must have an end."""


class IntakeMetrics:
    """Intake's metrics in a registry of their own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        accepted = Counter(
            "fogbell_notifications_accepted",
            "Notifications stored and answered 202. A repeated post is not counted.",
            ["lane"],
            registry=self.registry,
        )
        # Looked up once: by its label each time takes longer than to count.
        self._accepted_by_lane = {lane: accepted.labels(lane.value) for lane in Lane}
        self._inbox_streams = Gauge(
            "fogbell_inbox_streams",
            "Live inbox streams that are open at this process."
            " `FOGBELL_INBOX__MAX_STREAMS` is their limit.",
            registry=self.registry,
        )
        self._requests = _Requests(self.registry)
        self._queues = _Queues(self.registry)
        self.sweeps = SweepCollector()
        self.registry.register(self.sweeps)
        self.answered, self.requests_open = self._requests.answered, self._requests.open
        self.queues = self._queues.show
        self.servers = ServerMetrics(self.registry)
        self.unknown_variable = unknown_variable_counter(self.registry)

    def accepted(self, lane: Lane) -> None:
        """A notification was stored."""
        self._accepted_by_lane[lane].inc()

    def watch_streams(self, streams: Sized) -> None:
        """``streams`` are those open at present: their number is asked for at each scrape."""
        self._inbox_streams.set_function(lambda: len(streams))


class _Requests:
    """How much is asked, how long it takes, what fails, and how full it is."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._answers = Counter(
            "fogbell_http_requests",
            "Requests answered. `code` is `none` where the client left before; the probes are not"
            " counted.",
            ["method", "route", "code"],
            registry=registry,
        )
        self._duration = Histogram(
            "fogbell_http_request_duration_seconds",
            "From a request's head to the head of its answer. A stream may go on after that.",
            ["method", "route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._open = Gauge(
            "fogbell_http_requests_in_progress",
            "Requests that are open at this process, streams included.",
            registry=registry,
        )
        # Found once for each set of labels: posts come by the thousand.
        self._answer = functools.cache(self._answers.labels)
        self._took = functools.cache(self._duration.labels)

    def open(self) -> AbstractContextManager[None]:
        """Count a request as open until the block ends."""
        return self._open.track_inprogress()

    def answered(self, method: str, route: str, status: int | None, seconds: float) -> None:
        """A request of ``route``, a path of the route table, took ``seconds`` to be answered."""
        method = method if method in _METHODS else "other"
        self._answer(method, route, str(status or "none")).inc()
        self._took(method, route).observe(seconds)


class _Queues:
    """RabbitMQ's queues as its clients see them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._messages = Gauge(
            "fogbell_queue_messages",
            "Messages that wait in a queue. Every replica of intake shows the same.",
            ["queue"],
            registry=registry,
        )
        self._consumers = Gauge(
            "fogbell_queue_consumers",
            "Consumers of a queue, those of all workers. Every replica of intake shows the same.",
            ["queue"],
            registry=registry,
        )

    def show(self, looks: Looks) -> None:
        """How the queues stand; what has no look is not shown."""
        for gauge in (self._messages, self._consumers):
            gauge.clear()
        for queue, look in looks.items():
            self._messages.labels(queue).set(look.messages)
            self._consumers.labels(queue).set(look.consumers)
