"""Wires the operator: watches, reconciles, resyncs, and ends when it can do its work no longer."""

import asyncio
import contextlib
import logging
import signal
import socket
from datetime import timedelta

import structlog

from fogbell.store.database import Database, StoreUnavailableError
from fogbell.store.indexes import ensure_indexes
from fogbell.telemetry.health import HealthServer, health_served
from fogbell_operator import handlers
from fogbell_operator.cluster import Cluster
from fogbell_operator.deletions import Deletions
from fogbell_operator.errors import UnavailableError
from fogbell_operator.metrics import OperatorMetrics
from fogbell_operator.reconciling import Reconciler, Reconciling
from fogbell_operator.records import Records
from fogbell_operator.resources import Json
from fogbell_operator.resync import Resync
from fogbell_operator.settings import OperatorComponentSettings
from fogbell_operator.turns import Turns

log = structlog.get_logger(__name__)

AT_ONCE = 8
"""Campaigns that are looked at together."""

PAUSE = 1.0
"""Seconds between two looks at whether MongoDB has come."""


def quieten() -> None:
    """kopf tells of each event and of each task at its end; what matters it warns of."""
    for name in ("kopf", "aiohttp"):
        logging.getLogger(name).setLevel(logging.WARNING)


class Operator:
    """One process: the Campaigns of one namespace."""

    def __init__(self, settings: OperatorComponentSettings, template: Json) -> None:
        self._settings = settings
        self._template = template
        self._metrics = OperatorMetrics()
        self._stop = asyncio.Event()
        self._failed = False

    async def run(self) -> int:
        """Work until SIGTERM or SIGINT; returns the exit code: 1 where it could not go on."""
        self._hear_signals()
        try:
            cluster = Cluster(self._settings.operator.namespace)
        except UnavailableError as error:
            log.warning("no_cluster", error=str(error))
            return 1
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(cluster.close)
            await self._work(stack, cluster)
        log.info("operator_stopped", failed=self._failed)
        return 1 if self._failed else 0

    def _hear_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)

    async def _work(self, stack: contextlib.AsyncExitStack, cluster: Cluster) -> None:
        mongodb, operator = self._settings.mongodb, self._settings.operator
        uri = mongodb.uri.get_secret_value()
        on_command = self._metrics.mongodb.command
        db = Database(uri, mongodb.database, app_name="fogbell-operator", on_command=on_command)
        stack.callback(db.close)
        records = self._records(db)
        reconciler = Reconciler(cluster, records, self._metrics, self._reconciling())
        turns = Turns(reconciler.reconcile, AT_ONCE)
        stack.push_async_callback(turns.close)
        deletions = Deletions(cluster, records, self._metrics)
        stack.push_async_callback(deletions.close)
        resync = Resync(cluster, turns, deletions, reconciler, self._metrics)
        health = await stack.enter_async_context(self._health(resync))
        for work in (resync.go_on(operator.resync_seconds), self._watchdog(resync), _prepare(db)):
            stack.callback(asyncio.create_task(work).cancel)
        log.info("operator_started", namespace=cluster.namespace, metrics_port=health.port)
        # Before that Kubernetes may not know Campaigns at all, and kopf asks but once.
        if await self._first(resync.done_once):
            await self._watch(cluster.namespace, reconciler, turns, deletions)

    def _records(self, db: Database) -> Records:
        protocol = self._settings.protocol
        return Records(
            db,
            timedelta(seconds=protocol.grace_seconds),
            timedelta(seconds=protocol.settle_seconds),
        )

    def _reconciling(self) -> Reconciling:
        settings = self._settings
        return Reconciling(
            template=self._template,
            active_deadline_seconds=settings.runner.active_deadline_seconds,
            progress_seconds=settings.operator.progress_seconds,
            resync_seconds=settings.operator.resync_seconds,
            instance=socket.gethostname(),
            offered=settings.offered_channels,
        )

    def _health(self, resync: Resync) -> contextlib.AbstractAsyncContextManager[HealthServer]:
        async def missing() -> dict[str, str]:
            if not resync.done_once.is_set():
                return {"kubernetes": "not every Campaign has been looked at yet"}
            if resync.age > self._settings.operator.stale_seconds:
                return {"kubernetes": f"the last resync is {resync.age:.0f} s old"}
            return {}

        return health_served(
            self._metrics.registry, self._settings.metrics, missing, component="operator"
        )

    async def _watchdog(self, resync: Resync) -> None:
        """End the process where resyncs do not go well: started anew, it may."""
        stale = self._settings.operator.stale_seconds
        # How old it will be is not known before: no event says that one did not come.
        while (left := stale - resync.age) > 0:  # noqa: ASYNC110 - see above
            await asyncio.sleep(left)
        log.error("resync_stale", seconds=round(resync.age))
        self._failed = True
        self._stop.set()

    async def _first(self, event: asyncio.Event) -> bool:
        """Wait for ``event``; False where the process is to stop before."""
        waits = [asyncio.create_task(e.wait()) for e in (event, self._stop)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        return not self._stop.is_set()

    async def _watch(
        self, namespace: str, reconciler: Reconciler, turns: Turns, deletions: Deletions
    ) -> None:
        def wake(name: str) -> None:
            reconciler.pauses.reset(name)
            turns.ask(name)

        registry = handlers.registry(wake, deletions.deleted)
        kopf_stop = asyncio.Event()
        ending = asyncio.create_task(self._end(turns, deletions, kopf_stop))
        try:
            await handlers.watch(registry, namespace, kopf_stop, self._hear_signals)
        except Exception:  # whatever it was: the process ends, and is started anew
            log.exception("watching_ended")
            self._failed = True
        finally:
            ending.cancel()

    async def _end(self, turns: Turns, deletions: Deletions, kopf_stop: asyncio.Event) -> None:
        """Once it is to stop. kopf comes last: it waits for every task that began after it did."""
        await self._stop.wait()
        await turns.close()
        await deletions.close()
        kopf_stop.set()


async def _prepare(db: Database) -> None:
    """Have the indexes that its queries name, once MongoDB is there."""
    while True:
        try:
            await db.ping()
            await ensure_indexes(db)
        except StoreUnavailableError as error:
            log.warning("waiting_for_mongodb", error=str(error))
            await asyncio.sleep(PAUSE)
        else:
            return
