"""What the worker counts (names and labels: docs/metrics.md). No ids, no addresses in labels."""

import functools
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from fogbell.model.outcome import Attempt
from fogbell.model.status import Cause, Channel
from fogbell.store.records import Record
from fogbell.telemetry.metrics import ServerMetrics, unknown_variable_counter

DURATION_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
END_TO_END_BUCKETS = (
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    5,
    30,
    60,
    300,
    1800,
    7200,
    43200,
)
UNSENT = "none"
"""The provider of a delivery that was settled without an attempt."""


class WorkerMetrics:
    """The worker's metrics in a registry of their own; also the recorder's observer."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._deliveries = Counter(
            "fogbell_deliveries",
            "Records made: `delivered`, `failed`, `dead`, `skipped`, `cancelled`. One delivery may"
            " be `failed` several times. `provider` is `none` where nothing was sent. Inbox items"
            " are not counted.",
            ["channel", "provider", "outcome"],
            registry=self.registry,
        )
        self._duration = Histogram(
            "fogbell_delivery_duration_seconds",
            "From the start of an attempt to the provider's answer.",
            ["channel", "provider"],
            buckets=DURATION_BUCKETS,
            registry=self.registry,
        )
        self._end_to_end = Histogram(
            "fogbell_end_to_end_seconds",
            "From accepted to delivered, waiting and retries included.",
            ["channel", "lane"],
            buckets=END_TO_END_BUCKETS,
            registry=self.registry,
        )
        self._deferred = Counter(
            "fogbell_deliveries_deferred",
            "Claims put back untried, because no provider could be asked: `provider_unavailable`,"
            " `provider_busy`, `rate_limited`; or because the webhook's receiver has enough to do:"
            " `receiver_busy`.",
            ["channel", "reason"],
            registry=self.registry,
        )
        self._breaker_open = Gauge(
            "fogbell_provider_breaker_open",
            "1 while this process leaves a provider alone because it fails, else 0.",
            ["channel", "provider"],
            registry=self.registry,
        )
        self._claims_lost = Counter(
            "fogbell_claim_lost",
            "Records that found their claim gone and changed nothing.",
            registry=self.registry,
        )
        self.servers = ServerMetrics(self.registry)
        self._undecodable = Counter(
            "fogbell_messages_undecodable",
            "Messages that were none of ours. They are in the queue `dead`.",
            registry=self.registry,
        )
        self._expansion_failures = Counter(
            "fogbell_expansion_failures",
            "Expansions that a defect has ended: `tried_again`, or `given_up` until somebody"
            " replays them.",
            ["outcome"],
            registry=self.registry,
        )
        self.unknown_variable = unknown_variable_counter(self.registry)
        # Found once for each set of labels: a bulk run counts tens of thousands a second.
        self._outcome = functools.cache(self._deliveries.labels)
        self._took = functools.cache(self._duration.labels)
        self._waited = functools.cache(self._end_to_end.labels)

    def recorded(self, record: Record, now: datetime) -> None:
        """A record was stored."""
        channel, attempt = record.delivery.channel.value, record.attempt
        if record.verdict.cause is Cause.RELEASE:
            self._deferred.labels(channel, record.verdict.reason or "").inc()
            return
        provider = attempt.provider if attempt else UNSENT
        self._outcome(channel, provider, record.status.value).inc()
        if attempt is not None:
            for each in (*attempt.earlier, attempt):
                self._observe(channel, each)
        if record.verdict.cause is Cause.ACCEPTED:
            waited = (now - record.delivery.since).total_seconds()
            self._waited(channel, record.delivery.lane.value).observe(max(0.0, waited))

    def lost(self, record: Record) -> None:  # noqa: ARG002 - the observer's shape
        """A record found its claim gone."""
        self._claims_lost.inc()

    def breaker(self, channel: Channel, provider: str, is_open: bool) -> None:
        """A provider's circuit breaker changed."""
        self._breaker_open.labels(channel.value, provider).set(is_open)

    def _observe(self, channel: str, attempt: Attempt) -> None:
        seconds = (attempt.finished_at - attempt.started_at).total_seconds()
        self._took(channel, attempt.provider).observe(max(0.0, seconds))

    def expansion_failed(self, outcome: str) -> None:
        """A defect has ended an expansion: ``tried_again`` or ``given_up``."""
        self._expansion_failures.labels(outcome).inc()

    def undecodable(self) -> None:
        """A message went to the dead letters."""
        self._undecodable.inc()
