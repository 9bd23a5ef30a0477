"""Wires the worker: one runner, recorder and consumer for each channel and lane it serves."""

import asyncio
import contextlib
import signal
from dataclasses import dataclass
from datetime import timedelta

import structlog

from fogbell.broker import Consumer
from fogbell.connections import Connections
from fogbell.expansion.expander import Expander, ExpansionSettings
from fogbell.limiting import Limiter
from fogbell.model.status import Channel, Lane
from fogbell.store.database import StoreRefusedError, StoreUnavailableError
from fogbell.store.indexes import ensure_indexes
from fogbell.telemetry.health import health_served
from fogbell_worker.expanding import PREFETCH, ExpansionRunner
from fogbell_worker.lane import LaneRunner
from fogbell_worker.lane_settings import LaneSettings
from fogbell_worker.loading import Loader
from fogbell_worker.metrics import WorkerMetrics
from fogbell_worker.providers.building import Providers
from fogbell_worker.providers.gate import Rate
from fogbell_worker.recording import Recorder
from fogbell_worker.sending import ChannelSender
from fogbell_worker.settings import WorkerSettings

log = structlog.get_logger(__name__)

PREPARE_PAUSE = 1.0
CLOCK_PAUSE = 30.0


@dataclass(frozen=True, slots=True)
class _Served:
    """All that serves one queue."""

    consumer: Consumer
    runner: LaneRunner | ExpansionRunner
    recorder: Recorder | None = None
    sender: ChannelSender | None = None


class Worker:
    """Everything one process runs."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self.metrics = WorkerMetrics()
        servers = Connections.of(settings, name="fogbell-worker", metrics=self.metrics.servers)
        self._db, self._publisher = servers.database, servers.publisher
        self._topology, self._broker_uri = servers.topology, servers.broker_uri
        self._loader = Loader(self._db)
        self._providers = Providers(settings.breaker.rules(), self._rate, self.metrics.breaker)
        self._served: list[_Served] = []
        self._refused: str | None = None
        self._one_alone = asyncio.Lock()

    async def run(self) -> None:
        """Work until SIGTERM or SIGINT, then lose and repeat nothing."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._db.close)
            health = await stack.enter_async_context(
                health_served(
                    self.metrics.registry, self._settings.metrics, self._missing, component="worker"
                )
            )
            clock = asyncio.create_task(self._keep_clock())
            stack.callback(clock.cancel)
            if await self._prepared(stop):
                self._start()
                log.info("worker_started", queues=len(self._served), metrics_port=health.port)
                await stop.wait()
            log.info("worker_stopping")
            await self._stop()
        log.info("worker_stopped")

    async def _prepared(self, stop: asyncio.Event) -> bool:
        """Wait for MongoDB, unless told to stop before it comes."""
        while not stop.is_set():
            try:
                await self._db.ping()
                await ensure_indexes(self._db)
            except StoreUnavailableError as error:
                self._refused = str(error) if isinstance(error, StoreRefusedError) else None
                log.warning("waiting_for_mongodb", error=str(error))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), PREPARE_PAUSE)
            else:
                self._refused = None
                return True
        return False

    async def _keep_clock(self) -> None:
        while True:
            await asyncio.sleep(CLOCK_PAUSE)
            with contextlib.suppress(StoreUnavailableError):
                await self._db.ping()

    def _start(self) -> None:
        self._publisher.start()
        for channel in sorted(self._settings.channels):
            for lane in sorted(self._settings.lanes):
                self._served.append(self._serve(channel, lane))
        if self._settings.expand:
            self._served.append(self._serve_expansion())
        for served in self._served:
            served.runner.start()
            served.consumer.start()

    async def _stop(self) -> None:
        """Take nothing new, finish what is being sent, record it, acknowledge it, disconnect."""
        for served in self._served:
            await served.consumer.pause()
        try:
            async with asyncio.timeout(self._settings.shutdown_seconds):
                await asyncio.gather(*(served.runner.stop() for served in self._served))
        except TimeoutError:
            log.warning("shutdown_incomplete", left_to="leases")
        for served in self._served:
            if served.recorder is not None:
                await served.recorder.close()
            await served.consumer.close()
            if served.sender is not None:
                await served.sender.close()
        await self._publisher.close()

    def _make_sender(self, channel: Channel, lane: Lane) -> ChannelSender:
        """A sender of a lane's own: in a shared pool, bulk would hold every connection."""
        settings = self._settings
        provided = settings.provided(channel)
        for each in provided:
            if (limit := each.settings.rate_per_second) is not None:
                self.metrics.rate_limit(channel, each.name, limit)
        return self._providers.sender(
            channel,
            provided,
            lease=settings.protocol.lease_seconds,
            wait=settings.provider_wait_seconds,
            waiters=max(1, settings.slots(channel, lane) // 2),
            on_unknown=self.metrics.unknown_variable,
        )

    def _rate(self, name: str, limit: int, window_seconds: float) -> Rate:
        return Limiter(self._db, name, limit, window_seconds)

    def _serve(self, channel: Channel, lane: Lane) -> _Served:
        settings, bounds = self._settings, self._settings.bounds(lane)
        sender, bulk = self._make_sender(channel, lane), lane is Lane.BULK
        recorder = Recorder(
            self._db,
            settings.retry.policy(),
            self.metrics,
            gather=settings.protocol.record_interval_seconds if bulk else 0.0,
        )
        runner = LaneRunner(
            self._db,
            sender,
            self._loader,
            recorder,
            LaneSettings(
                channel=channel,
                lane=lane,
                batch=settings.claim_batch,
                batches=bounds.batches,
                slots=settings.slots(channel, lane),
                lease=settings.protocol.lease_seconds,
                margin=settings.protocol.lease_margin_seconds,
                per_host=bounds.sends_per_host,
            ),
            self._one_alone,
        )
        self.metrics.lane(channel, lane, runner.slots)
        consumer = self._consumer(self._topology.queue(channel, lane), bounds.prefetch, runner)
        return _Served(consumer, runner, recorder, sender)

    def _serve_expansion(self) -> _Served:
        protocol = self._settings.protocol
        expander = Expander(
            self._db,
            self._publisher,
            ExpansionSettings(
                lease=timedelta(seconds=protocol.lease_seconds),
                grace=timedelta(seconds=protocol.grace_seconds),
                look_after=timedelta(seconds=protocol.settle_seconds),
                failures=protocol.expansion_failures,
            ),
            self.metrics.unknown_variable,
        )
        runner = ExpansionRunner(expander, self.metrics.expansion_failed)
        return _Served(self._consumer(self._topology.expansion, PREFETCH, runner), runner)

    def _consumer(
        self, queue: str, prefetch: int, runner: LaneRunner | ExpansionRunner
    ) -> Consumer:
        consumer = Consumer(
            self._broker_uri,
            self._topology,
            queue,
            prefetch=prefetch,
            receive=runner.receive,
            count_undecodable=self.metrics.undecodable,
        )
        name = self._topology.word(queue)
        self.metrics.servers.connection(name, consumer.consuming.is_set)
        return consumer

    async def _missing(self) -> dict[str, str]:
        """What this process lacks to do its work, for /readyz."""
        missing = {"mongodb": self._refused} if self._refused else {}
        try:
            await self._db.ping()
        except StoreUnavailableError as error:
            missing["mongodb"] = str(error)
        if not self._served or not all(s.consumer.consuming.is_set() for s in self._served):
            missing["rabbitmq"] = "not consuming every queue yet"
        return missing
