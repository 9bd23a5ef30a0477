"""Wires one run: what must not begin ends at once, all else runs beside its metrics."""

import asyncio
import contextlib
import signal
from contextlib import AbstractContextManager
from datetime import timedelta

import structlog
from opentelemetry.trace import Span

from fogbell.campaigns import spec_fault
from fogbell.connections import Connections
from fogbell.expansion.expander import ExpansionSettings
from fogbell.model.campaign import Firing, cronjob_name, firing, refusal
from fogbell.telemetry import traces
from fogbell.telemetry.health import health_served
from fogbell.telemetry.lineage import Lineage
from fogbell.telemetry.summary import leave_summary
from fogbell_campaign.metrics import CampaignMetrics
from fogbell_campaign.run import Run
from fogbell_campaign.runner import Runner, RunnerSettings
from fogbell_campaign.settings import CampaignGroup, CampaignSettings
from fogbell_campaign.summary import TRY_AGAIN, Outcome, Summary, faulty, refused

log = structlog.get_logger(__name__)

BROKER_WAIT = 5.0
"""Seconds to wait for RabbitMQ; what is inserted without it is published by the sweep."""


async def perform(settings: CampaignSettings) -> int:
    """Make the run that ``settings`` name; returns the exit status and leaves a summary."""
    told = settings.campaign
    run = Run(told.spec, told.namespace, told.name, told.uid, _firing(told), told.cluster)
    with _span(run) as span:
        summary = _unasked(run, told) or await _made(settings, run)
        span.set_attribute("fogbell.outcome", summary.outcome.value)
        if summary.outcome is Outcome.FAILED:
            traces.failed(span, summary.reason or "failed")
        fields = summary.fields()
        log.info("run_ended", exit_status=summary.exit_status, **fields)
    leave_summary(settings.termination_log, fields)
    return summary.exit_status


def _span(run: Run) -> AbstractContextManager[Span]:
    if not traces.are_on():
        return traces.OFF
    attributes = {
        "fogbell.notification": str(run.id),
        "fogbell.campaign": f"{run.namespace}/{run.name}",
    }
    return traces.span("run", Lineage(), attributes=attributes)


def _unasked(run: Run, told: CampaignGroup) -> Summary | None:
    """What ends a run without a look at any server: the same for every pod of its Job."""
    unwanted = refusal(run.spec, run.firing, told.effective_since)
    if unwanted is not None:
        return refused(unwanted)
    fault = spec_fault(run.spec)
    return faulty(fault) if fault else None


async def _made(settings: CampaignSettings, run: Run) -> Summary:
    """What came of the run, whatever it was: an address that nobody can read included."""
    try:
        return await Campaign(settings, run).perform()
    except Exception as error:
        log.exception("run_failed")
        what = f"{type(error).__name__}; the log says where."
        return Summary(Outcome.FAILED, what, "Error", exit_status=TRY_AGAIN)


class Campaign:
    """One process that makes a run, and stops when it is told to."""

    def __init__(self, settings: CampaignSettings, run: Run) -> None:
        self._settings = settings
        self._metrics = CampaignMetrics()
        servers = Connections.of(settings, name="fogbell-campaign", metrics=self._metrics.servers)
        self._db, self._publisher = servers.database, servers.publisher
        self._runner = Runner(
            self._db,
            self._publisher,
            run,
            _runner_settings(settings),
            on_inserted=self._metrics.inserted,
            on_unknown=self._metrics.unknown_variable,
        )

    async def perform(self) -> Summary:
        """What came of it, also where it is told to stop."""
        work = asyncio.create_task(self._work())

        def stop() -> None:
            # Once: a second one would cut off what gives the lease back.
            if not work.cancelling():
                work.cancel()

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        try:
            return await work
        except asyncio.CancelledError:
            return self._runner.failed(
                "Stopped", "The process was told to stop; another one goes on from there."
            )

    async def _work(self) -> Summary:
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._db.close)
            await stack.enter_async_context(
                health_served(
                    self._metrics.registry,
                    self._settings.metrics,
                    self._missing,
                    component="campaign",
                )
            )
            self._publisher.start()
            stack.push_async_callback(self._publisher.close)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._publisher.wait_connected(), BROKER_WAIT)
            return await self._runner.perform()

    async def _missing(self) -> dict[str, str]:
        return {} if self._publisher.connected else {"rabbitmq": "not connected"}


def _firing(told: CampaignGroup) -> Firing:
    return firing(cronjob_name(told.name), told.job_name, told.controller_uid)


def _runner_settings(settings: CampaignSettings) -> RunnerSettings:
    protocol = settings.protocol
    grace = timedelta(seconds=protocol.grace_seconds)
    return RunnerSettings(
        grace=grace,
        patience=timedelta(seconds=settings.run.patience_seconds),
        expansion=ExpansionSettings(
            lease=timedelta(seconds=protocol.lease_seconds),
            grace=grace,
            look_after=timedelta(seconds=protocol.settle_seconds),
            failures=protocol.expansion_failures,
        ),
        offered=settings.offered_channels,
    )
