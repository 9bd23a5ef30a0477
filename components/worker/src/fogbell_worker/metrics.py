"""What the worker counts (names and labels: docs/metrics.md). No ids, no addresses in labels."""

import functools
from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from fogbell.model.outcome import Attempt, Outcome
from fogbell.model.status import Cause, Channel, DeliveryStatus, Lane
from fogbell.store.records import Record
from fogbell.telemetry.metrics import ServerMetrics, unknown_variable_counter
from fogbell_worker.slots import Slots

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

REASONS: Final = 64
"""Reasons of failed attempts that are told apart; a stranger's provider may name any."""


class WorkerMetrics:
    """The worker's metrics in a registry of their own; also the recorder's observer."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._deliveries = _Deliveries(self.registry)
        self._attempts = _Attempts(self.registry)
        self._bounds = _Bounds(self.registry)
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
        for outcome in ("tried_again", "given_up"):
            self._expansion_failures.labels(outcome)
        self.unknown_variable = unknown_variable_counter(self.registry)

    def lane(self, channel: Channel, lane: Lane, slots: Slots) -> None:
        """A lane is served from now on."""
        self._bounds.lane(channel.value, lane.value, slots)

    def rate_limit(self, channel: Channel, provider: str, per_second: float) -> None:
        """A provider is asked so often at most, over all workers."""
        self._bounds.rate(channel.value, provider, per_second)

    def breaker(self, channel: Channel, provider: str, is_open: bool) -> None:
        """A provider's circuit breaker changed, or the provider is known from now on."""
        self._attempts.breaker(channel.value, provider, is_open)
        self._deliveries.expect(channel.value, provider)

    def recorded(self, record: Record, now: datetime) -> None:
        """A record was stored."""
        if record.verdict.cause is Cause.RELEASE:
            self._deliveries.put_back(record)
            return
        self._deliveries.recorded(record, now)
        if record.attempt is not None:
            self._attempts.made(record.delivery.channel.value, record.attempt)

    def lost(self, record: Record) -> None:  # noqa: ARG002 - the observer's shape
        """A record found its claim gone."""
        self._deliveries.lost()

    def expansion_failed(self, outcome: str) -> None:
        """A defect has ended an expansion: ``tried_again`` or ``given_up``."""
        self._expansion_failures.labels(outcome).inc()

    def undecodable(self) -> None:
        """A message went to the dead letters."""
        self._undecodable.inc()


class _Deliveries:
    """What became of deliveries, and how long they took."""

    def __init__(self, registry: CollectorRegistry) -> None:
        deliveries = Counter(
            "fogbell_deliveries",
            "Records made: `delivered`, `failed`, `dead`, `skipped`, `cancelled`. One delivery may"
            " be `failed` several times. `provider` is `none` where nothing was sent. Inbox items"
            " are not counted.",
            ["channel", "provider", "outcome"],
            registry=registry,
        )
        end_to_end = Histogram(
            "fogbell_end_to_end_seconds",
            "From accepted to delivered, waiting and retries included.",
            ["channel", "lane"],
            buckets=END_TO_END_BUCKETS,
            registry=registry,
        )
        self._deferred = Counter(
            "fogbell_deliveries_deferred",
            "Claims put back untried, because no provider could be asked: `provider_unavailable`,"
            " `provider_busy`, `rate_limited`; or because the webhook's receiver has enough to do:"
            " `receiver_busy`.",
            ["channel", "reason"],
            registry=registry,
        )
        self._claims_lost = Counter(
            "fogbell_claim_lost",
            "Records that found their claim gone and changed nothing.",
            registry=registry,
        )
        # Found once for each set of labels: a bulk run counts tens of thousands a second.
        self._outcome = functools.cache(deliveries.labels)
        self._waited = functools.cache(end_to_end.labels)
        self.lost = self._claims_lost.inc

    def expect(self, channel: str, provider: str) -> None:
        """Show what has not happened yet as 0: what begins at 1 is not seen to rise."""
        for status in (DeliveryStatus.DELIVERED, DeliveryStatus.FAILED, DeliveryStatus.DEAD):
            self._outcome(channel, provider, status.value)
        for lane in Lane:
            self._waited(channel, lane.value)

    def recorded(self, record: Record, now: datetime) -> None:
        """A record that settles a claim."""
        channel, attempt = record.delivery.channel.value, record.attempt
        provider = attempt.provider if attempt else UNSENT
        self._outcome(channel, provider, record.status.value).inc()
        if record.verdict.cause is Cause.ACCEPTED:
            waited = (now - record.delivery.since).total_seconds()
            self._waited(channel, record.delivery.lane.value).observe(max(0.0, waited))

    def put_back(self, record: Record) -> None:
        """A record that gives a claim back untried."""
        channel, reason = record.delivery.channel.value, record.verdict.reason or ""
        self._deferred.labels(channel, reason).inc()


class _Bounds:
    """What holds sends back, and how much of it is used."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._slots = Gauge(
            "fogbell_send_slots",
            "Sends that this process may have under way at once.",
            ["channel", "lane"],
            registry=registry,
        )
        self._taken = Gauge(
            "fogbell_send_slots_taken",
            "Slots that are taken: by a send that is under way, or that waits until MongoDB keeps"
            " up with what was sent.",
            ["channel", "lane"],
            registry=registry,
        )
        self._rate = Gauge(
            "fogbell_provider_rate_limit_per_second",
            "How often a second a provider is asked at most, by all workers together. Absent where"
            " it has no limit.",
            ["channel", "provider"],
            registry=registry,
        )

    def lane(self, channel: str, lane: str, slots: Slots) -> None:
        """Show the slots of a lane, those that are taken as they are at each scrape."""
        self._slots.labels(channel, lane).set(slots.number)
        self._taken.labels(channel, lane).set_function(lambda: slots.taken)

    def rate(self, channel: str, provider: str, per_second: float) -> None:
        """Show a provider's limit."""
        self._rate.labels(channel, provider).set(per_second)


class _Attempts:
    """How providers do: their latency, their refusals, and whether they are left alone."""

    def __init__(self, registry: CollectorRegistry) -> None:
        duration = Histogram(
            "fogbell_delivery_duration_seconds",
            "From the start of an attempt to the provider's answer.",
            ["channel", "provider"],
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        self._failed = Counter(
            "fogbell_attempts_failed",
            "Attempts that were not accepted: `permanent`, `transient`, `ambiguous`, with the"
            " reason that the delivery shows. Beyond 64 reasons it is `other`.",
            ["channel", "provider", "outcome", "reason"],
            registry=registry,
        )
        self._breaker_open = Gauge(
            "fogbell_provider_breaker_open",
            "1 from when this process leaves a provider alone, because it fails, to its next send"
            " there that succeeds; else 0.",
            ["channel", "provider"],
            registry=registry,
        )
        self._took = functools.cache(duration.labels)
        self._reasons: set[str] = set()

    def made(self, channel: str, attempt: Attempt) -> None:
        """``attempt``, and those before it under the same claim."""
        for each in (*attempt.earlier, attempt):
            seconds = (each.finished_at - each.started_at).total_seconds()
            self._took(channel, each.provider).observe(max(0.0, seconds))
            reply = each.reply
            if reply.outcome is not Outcome.ACCEPTED:
                reason = self._bounded(reply.reason or "none")
                self._failed.labels(channel, each.provider, reply.outcome.value, reason).inc()

    def breaker(self, channel: str, provider: str, is_open: bool) -> None:
        """Whether a provider is left alone."""
        self._breaker_open.labels(channel, provider).set(is_open)

    def _bounded(self, reason: str) -> str:
        if len(self._reasons) < REASONS:
            self._reasons.add(reason)
        return reason if reason in self._reasons else "other"
