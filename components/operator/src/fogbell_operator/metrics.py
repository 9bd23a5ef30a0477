"""What the operator counts (names and labels: docs/metrics.md)."""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, Counter, Gauge

from fogbell.model.status import DeliveryStatus
from fogbell.telemetry.metrics import MongoMetrics


class OperatorMetrics:
    """The operator's metrics in a registry of their own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.mongodb = MongoMetrics(self.registry)
        self.campaigns = CampaignGauges(self.registry)
        self._reconciles = Counter(
            "fogbell_operator_reconciles",
            "Looks at one Campaign: `done`, or `failed` because Kubernetes could not be asked or"
            " told.",
            ["outcome"],
            registry=self.registry,
        )
        self._cancelled = Counter(
            "fogbell_operator_runs_cancelled",
            "Runs that were cancelled because their Campaign was deleted.",
            registry=self.registry,
        )
        self._events = Counter(
            "fogbell_operator_events",
            "Kubernetes Events: `created` or `failed`.",
            ["outcome"],
            registry=self.registry,
        )
        self._resync = Gauge(
            "fogbell_operator_last_resync_timestamp_seconds",
            "When every Campaign was last looked at without fail. Not a number before the first.",
            registry=self.registry,
        )
        self._resync.set(math.nan)

    def reconciled(self, outcome: str) -> None:
        """One look at a Campaign is over."""
        self._reconciles.labels(outcome).inc()

    def cancelled(self) -> None:
        """A run was cancelled."""
        self._cancelled.inc()

    def event(self, outcome: str) -> None:
        """An Event was created, or could not be."""
        self._events.labels(outcome).inc()

    def resynced(self, time: datetime) -> None:
        """Every Campaign was looked at."""
        self._resync.set(time.timestamp())


class CampaignGauges:
    """How Campaigns stand, one by one."""

    def __init__(self, registry: CollectorRegistry) -> None:
        campaign = ["namespace", "campaign"]
        self._deliveries = Gauge(
            "fogbell_campaign_run_deliveries",
            "Deliveries of a Campaign's last run, by status. Of when, and how exact, is as in the"
            " interface.",
            [*campaign, "status"],
            registry=registry,
        )
        self._next = Gauge(
            "fogbell_campaign_next_run_timestamp_seconds",
            "When a Campaign runs next. Absent where it is suspended, over or wrong.",
            campaign,
            registry=registry,
        )
        self._ready = Gauge(
            "fogbell_campaign_ready",
            "1 where a Campaign's runs will start, 0 where they will not, absent where nobody can"
            " know: the condition Ready.",
            campaign,
            registry=registry,
        )
        self._overdue = Gauge(
            "fogbell_campaign_run_overdue_seconds",
            "Since when a Campaign's schedule waits for a Job that Kubernetes has not made; 0 where"
            " none is missing.",
            campaign,
            registry=registry,
        )
        self._last_run = Gauge(
            "fogbell_campaign_last_run_succeeded",
            "1 where a Campaign's last run went well, 0 where not, absent meanwhile: the condition"
            " LastRunSucceeded.",
            campaign,
            registry=registry,
        )

        self._throttle = Gauge(
            "fogbell_campaign_throttle_per_second",
            "People a second, over all channels, that a Campaign's runs are held to. Absent where"
            " nothing holds them.",
            campaign,
            registry=registry,
        )

    def run(self, namespace: str, campaign: str, totals: Mapping[DeliveryStatus, int]) -> None:
        """What the last run of a Campaign has come to."""
        for status in DeliveryStatus:
            self._deliveries.labels(namespace, campaign, status.value).set(totals.get(status, 0))

    def stands(
        self,
        namespace: str,
        campaign: str,
        *,
        ready: bool | None,
        last_run: bool | None,
        next_run: datetime | None,
        overdue: timedelta,
        throttle: int | None,
    ) -> None:
        """How a Campaign stands; None for what is not known, is not to come, or does not hold.

        For so long (``overdue``) a run that should have begun has not. ``throttle`` is people a
        second.
        """
        _set(self._ready, (namespace, campaign), ready)
        self._overdue.labels(namespace, campaign).set(overdue.total_seconds())
        _set(self._last_run, (namespace, campaign), last_run)
        seconds = next_run.timestamp() if next_run else None
        _set(self._next, (namespace, campaign), seconds)
        _set(self._throttle, (namespace, campaign), throttle)

    def forget(self, namespace: str, campaign: str) -> None:
        """A Campaign is there no more."""
        for gauge in (self._ready, self._last_run, self._next, self._overdue, self._throttle):
            _set(gauge, (namespace, campaign), None)
        for status in DeliveryStatus:
            _set(self._deliveries, (namespace, campaign, status.value), None)


def _set(gauge: Gauge, labels: tuple[str, ...], value: float | None) -> None:
    if value is not None:
        gauge.labels(*labels).set(value)
        return
    try:
        gauge.remove(*labels)
    except KeyError:
        return  # it was never set
