"""Wires one sweep window: sweep, wait, sweep again, until the window ends."""

import asyncio
import contextlib
import signal
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

import structlog

from fogbell.connections import Connections
from fogbell.model.status import Lane
from fogbell.store import retention, sweep_state
from fogbell.store.database import StoreUnavailableError
from fogbell.telemetry import traces
from fogbell.telemetry.health import health_served
from fogbell.telemetry.lineage import Lineage
from fogbell.telemetry.summary import leave_summary, summary_text
from fogbell_retry.figures import Figures
from fogbell_retry.metrics import RetryMetrics
from fogbell_retry.reporting import Reporter
from fogbell_retry.settings import RetryComponentSettings
from fogbell_retry.sweep import Sweeper, SweepSettings, Swept
from fogbell_retry.window import next_window, window_end

log = structlog.get_logger(__name__)

BROKER_WAIT = 5.0
"""Seconds to wait for RabbitMQ before the first sweep; without it nothing is released."""


RELEASED = ("publish_lost", "deferred", "retry_due", "lease_expired", "expansions", "replayed")
"""Why a sweep releases something, as the summary counts it."""


@dataclass(slots=True)
class Summary:
    """What a window did; the Job's termination message."""

    sweeps: int = 0
    failed_sweeps: int = 0
    released: dict[str, int] = field(default_factory=dict)
    settled: int = 0
    called_back: int = 0
    purged: int = 0

    def add(self, swept: Swept) -> None:
        """Add one sweep."""
        self.sweeps += 1
        self.settled += swept.settled
        for reason in RELEASED:
            self.released[reason] = self.released.get(reason, 0) + getattr(swept, reason)

    def fields(self) -> dict[str, object]:
        """As they are written down."""
        return asdict(self)


class Retry:
    """One process: one window, or one sweep."""

    def __init__(self, settings: RetryComponentSettings, *, once: bool) -> None:
        self._settings = settings
        self._once = once
        self._metrics = RetryMetrics()
        servers = Connections.of(settings, name="fogbell-retry", metrics=self._metrics.servers)
        self._db, self._publisher = servers.database, servers.publisher
        self._sweeper = Sweeper(
            self._db, self._publisher, servers.topology, _sweep_settings(settings), self._metrics
        )
        self._figures = Figures(self._db, self._metrics)
        self._reporter = Reporter(
            self._db,
            self._publisher,
            self._metrics,
            settings.sweep.report_seconds,
            grace=timedelta(seconds=settings.protocol.grace_seconds),
            look_after=timedelta(seconds=settings.protocol.settle_seconds),
        )
        self._retention = settings.retention.retention()
        self._stop = asyncio.Event()
        self.summary = Summary()

    async def run(self) -> int:
        """Sweep for the window; returns the exit code: 1 where no sweep succeeded at all."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._db.close)
            await stack.enter_async_context(
                health_served(
                    self._metrics.registry, self._settings.metrics, self._missing, component="retry"
                )
            )
            self._publisher.start()
            stack.push_async_callback(self._publisher.close)
            await self._window()
        summary = self.summary.fields()
        log.info("window_ended", summary=summary_text(summary))
        leave_summary(self._settings.termination_log, summary)
        return 0 if self.summary.sweeps else 1

    async def _window(self) -> None:
        await self._announce()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._publisher.wait_connected(), BROKER_WAIT)
        end = window_end(self._settings.job_name, self._db.clock.now())
        await self._figures.count_outstanding()
        while True:
            swept = await self._sweep()
            if swept:
                await self._figures.keep(self._sweeper)
            if self._once and not (swept and swept.held_until):
                return
            if await self._pause(end, swept):
                break
        if swept and not self._stop.is_set():
            await self._rest(end)

    async def _announce(self) -> None:
        """Sweeping goes on from here: what comes before the first sweep may take seconds."""
        with contextlib.suppress(StoreUnavailableError):
            await self._db.ping()
            await sweep_state.observe(self._db, self._sweeper.settings.hold)

    async def _rest(self, end: datetime) -> None:
        """No sweep until the next window is no gap, or a Job that starts late would begin a hold
        in every window. Longer than a hold no rest may be.
        """
        until = min(next_window(end), self._db.clock.now() + self._sweeper.settings.hold)
        with contextlib.suppress(StoreUnavailableError):
            await sweep_state.finished(self._db, rest_until=until)

    async def _pause(self, end: datetime, swept: Swept | None) -> bool:
        """Wait for the next sweep; True if there is none.

        A single sweep that met a hold waits it out, or leases would never end where only single
        sweeps are made. It sweeps meanwhile: a pause as long as the hold would begin another.
        """
        pause = timedelta(seconds=self._settings.sweep.interval_seconds)
        now = self._db.clock.now()
        if self._once and swept and swept.held_until:
            left = max(swept.held_until - now, timedelta(0)) + timedelta(milliseconds=50)
            pause = min(pause, left)
        elif now + pause > end:
            return True
        try:
            await asyncio.wait_for(self._stop.wait(), pause.total_seconds())
        except TimeoutError:
            return False
        return True

    async def _sweep(self) -> Swept | None:
        """One sweep, which is a trace: what it publishes is claimed within it."""
        with traces.span("sweep", Lineage()) as span:
            swept = await self._tried()
            if swept is None:
                traces.failed(span, "StoreUnavailableError")
            else:
                span.set_attributes({f"fogbell.{n}": getattr(swept, n) for n in RELEASED})
            return swept

    async def _tried(self) -> Swept | None:
        try:
            swept = await self._sweeper.sweep()
            called_back = await self._reporter.report()
            purged = await retention.purge(
                self._db, self._retention, self._settings.sweep.purge_seconds
            )
            # However long that took, it was no gap in sweeping.
            await sweep_state.finished(self._db)
        except StoreUnavailableError as error:
            self.summary.failed_sweeps += 1
            self._metrics.failed()
            log.warning("sweep_failed", error=str(error))
            return None
        self._metrics.swept(settled=swept.settled, purged=purged.notifications)
        self.summary.add(swept)
        self.summary.called_back += called_back
        self.summary.purged += purged.notifications
        log.info("swept", called_back=called_back, **_shown(swept))
        return swept

    async def _missing(self) -> dict[str, str]:
        return {} if self._publisher.connected else {"rabbitmq": "not connected"}


def _sweep_settings(settings: RetryComponentSettings) -> SweepSettings:
    protocol = settings.protocol
    return SweepSettings(
        grace=timedelta(seconds=protocol.grace_seconds),
        grace_cap=timedelta(seconds=protocol.grace_cap_seconds),
        hold=timedelta(seconds=protocol.expiry_hold_seconds),
        lost_leases_limit=protocol.lost_leases_limit,
        enough={
            Lane.TRANSACTIONAL: settings.sweep.enough_transactional,
            Lane.BULK: settings.sweep.enough_bulk,
        },
        settle_pause=timedelta(seconds=protocol.settle_seconds),
        settle_pause_cap=timedelta(seconds=protocol.settle_cap_seconds),
        keep=settings.retention.retention().shortest,
    )


def _shown(swept: Swept) -> dict[str, object]:
    return {
        "publish_lost": swept.publish_lost,
        "deferred": swept.deferred,
        "retry_due": swept.retry_due,
        "lease_expired": swept.lease_expired,
        "expansions": swept.expansions,
        "replayed": swept.replayed,
        "settled": swept.settled,
        "held": swept.held_until is not None,
    }
