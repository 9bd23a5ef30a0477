"""Fogbell's components as processes, for one test: started, killed, posted to, and held to account.

The protocol's times are shortened, so that what takes minutes takes seconds.
"""

import asyncio
import contextlib
import os
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID

import httpx2
from tests.support.account import Account
from tests.support.queues import delete_queues
from tests.support.waiting import eventually

from fogbell.broker import Topology
from fogbell.store.database import Database
from fogbell_local import environment, processes
from fogbell_local.environment import HOST, Place, Secrets
from fogbell_local.processes import Component, RetryJob
from fogbell_local.servers.ports import free_ports
from fogbell_local.sink import SinkServer

T = TypeVar("T")
Json = dict[str, Any]

SECRETS = Secrets(api_key="fbk_" + "k" * 40, inbox_token="s" * 43)
QUICK = {change.variable: change.value for change in (*environment.LOCAL, *environment.FAST)} | {
    "FOGBELL_PROTOCOL__GRACE_SECONDS": "2",
    "FOGBELL_SWEEP__INTERVAL_SECONDS": "0.5",
    "FOGBELL_LOG__LEVEL": "debug",
}
LONG_LEASES = {
    "FOGBELL_PROTOCOL__LEASE_SECONDS": "30",
    "FOGBELL_EMAIL__SEND_TIMEOUT": "20",
    "FOGBELL_WEBHOOK__SEND_TIMEOUT": "20",
}
"""For who holds that nothing is sent twice: a machine may stall for seconds."""

STOP_SECONDS = 15.0
UUID_LENGTH = 36


@dataclass(frozen=True)
class Ground:
    """What a system stands on: servers, names of its own on them, and a directory."""

    mongodb: str
    rabbitmq: str
    database: str
    prefix: str
    sink: SinkServer
    directory: Path

    @property
    def topology(self) -> Topology:
        return Topology(self.prefix)

    async def clear(self) -> None:
        """Delete the queues; the database is its fixture's."""
        names = [name.removeprefix(self.prefix) for name in self.topology.queues()]
        await delete_queues(self.rabbitmq, self.prefix, names)


@dataclass
class System:
    """Components on one ground. ``settings`` are environment variables for all of them, or for
    intake alone.

    Entering the block starts intake, ``workers`` workers and, if wanted, retry, and waits until
    each can work; leaving it stops what is still there.
    """

    ground: Ground
    workers: int = 1
    retry: bool = True
    settings: Mapping[str, str] = field(default_factory=dict)
    of_intake: Mapping[str, str] = field(default_factory=dict)
    _stack: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)
    started: list[Component] = field(default_factory=list)
    _job: RetryJob | None = None
    _tending: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self.db = Database(self.ground.mongodb, self.ground.database)
        self._stack.callback(self.db.close)
        self._stack.push_async_callback(self._stop_all)
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        self.intake = await self.start_intake()
        url = f"http://{HOST}:{self.port}"
        headers = {"Authorization": f"Bearer {SECRETS.api_key}"}
        self.client = await self._stack.enter_async_context(
            httpx2.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=60)
        )
        for _ in range(self.workers):
            await self.add_worker(ready=False)
        if self.retry:
            await self.start_retry()
        await asyncio.gather(*(_blocking(c.wait_ready) for c in self.started))
        await eventually(self._publishes, 60, 0.05)

    async def _publishes(self) -> bool:
        """Intake is ready without RabbitMQ; what is posted then waits for a sweep."""
        answer = (await self.client.get("/readyz")).json()
        return bool(answer["rabbitmq"] == "ok")

    @property
    def place(self) -> Place:
        """Where every component finds what it needs."""
        ground = self.ground
        return Place(
            mongodb=ground.mongodb,
            rabbitmq=ground.rabbitmq,
            smtp_url=f"smtp://{ground.sink.host}:{ground.sink.smtp_port}",
            webhook_port=ground.sink.webhook_port,
            database=ground.database,
            prefix=ground.prefix,
        )

    @property
    def logs(self) -> Path:
        return self.ground.directory / "logs"

    def worker(self, index: int) -> Component:
        """The worker that was started as the ``index``-th."""
        return [component for component in self.started if component.name == "worker"][index]

    def log_text(self) -> str:
        """What all components have written."""
        return "".join(path.read_text() for path in sorted(self.logs.glob("*.log")))

    # Starting and ending ------------------------------------------------------------------------

    async def start_intake(self) -> Component:
        """Start intake, and do not wait for it."""
        self.port, metrics_port = free_ports(2)
        settings = environment.intake(SECRETS, self.port, metrics_port)
        return await self._run("intake", "intake", {**settings, **self.of_intake}, metrics_port)

    async def add_worker(self, *, ready: bool = True, **settings: str) -> Component:
        """Start one more worker, with ``settings`` of its own."""
        port = free_ports(1)[0]
        label = f"worker-{sum(c.name == 'worker' for c in self.started) + 1}"
        own = environment.worker(self.environ() | settings, self.place, port)
        worker = await self._run("worker", label, own, port)
        if ready:
            await _blocking(worker.wait_ready)
        return worker

    async def start_retry(self) -> None:
        """Sweep from now on, one window after another."""
        port = free_ports(1)[0]

        def window(job_name: str) -> Component:
            settings = self.environ() | environment.retry(job_name, port)
            return processes.start("retry", "retry", settings, port, self.logs)

        self._job = await _blocking(RetryJob, window)
        self._tending = asyncio.create_task(self._tend(self._job))

    @property
    def sweeping(self) -> Component | None:
        """Retry's window at present."""
        return self._job.component if self._job else None

    async def _tend(self, job: RetryJob) -> None:
        while True:
            await asyncio.sleep(0.2)
            tended = asyncio.ensure_future(_blocking(job.tend))
            try:
                await asyncio.shield(tended)
            except asyncio.CancelledError:
                await tended  # it may have begun a window: whoever cancels stops that
                raise

    async def stop_retry(self) -> None:
        """Sweep no more."""
        if self._tending is not None:
            self._tending.cancel()
            await asyncio.gather(self._tending, return_exceptions=True)
        if self._job is not None:
            await self.stop(self._job.component)
            self._job = None

    async def _run(
        self, name: str, label: str, settings: Mapping[str, str], port: int
    ) -> Component:
        whole = {**self.environ(), **settings}
        component = await _blocking(processes.start, name, label, whole, port, self.logs)
        self.started.append(component)
        return component

    def environ(self) -> dict[str, str]:
        """What every component is told."""
        own = {k: v for k, v in os.environ.items() if not k.startswith("FOGBELL_")}
        return environment.common(own | QUICK | dict(self.settings), self.place)

    async def stop(self, component: Component) -> int | None:
        """SIGTERM; its exit status, or 137 where it had to be killed."""
        await _blocking(component.program.terminate, STOP_SECONDS)
        return component.program.exit_status

    async def kill(self, component: Component) -> None:
        """SIGKILL."""
        await _blocking(component.program.kill)

    async def _stop_all(self) -> None:
        await self.stop_retry()
        await asyncio.gather(*(self.stop(component) for component in self.started))

    # Speaking to it -----------------------------------------------------------------------------

    async def post(self, body: Json, key: str | None = None) -> Json:
        """Post a notification; it has to be accepted."""
        headers = {} if key is None else {"Idempotency-Key": key}
        answer = await self.client.post("/v1/notifications", json=body, headers=headers)
        assert answer.status_code == 202, answer.text
        accepted: Json = answer.json()
        return accepted

    async def get(self, path: str) -> Json:
        """What a GET answers, which has to be 200."""
        answer = await self.client.get(path)
        assert answer.status_code == 200, answer.text
        document: Json = answer.json()
        return document

    async def put_recipient(self, name: str, **fields: Any) -> None:
        """Store a recipient."""
        answer = await self.client.put(f"/v1/recipients/{name}", json=fields)
        assert answer.status_code in (200, 201), answer.text

    async def settled(self, *ids: str, within: float = 30.0) -> list[Json]:
        """Wait until every notification of ``ids`` is settled; as they are shown then."""

        async def shown(notification: str) -> Json:
            document = await self.get(f"/v1/notifications/{notification}")
            assert document["status"] == "settled", document["totals"]
            return document

        return [await eventually(partial(shown, i), within, 0.1) for i in ids]

    async def deliveries(self, notification: str) -> list[Json]:
        """The first 200 deliveries of a notification, as they are shown."""
        shown = await self.get(f"/v1/notifications/{notification}/deliveries?limit=200")
        items: list[Json] = shown["items"]
        return items

    async def sample(self, component: Component, name: str, **labels: str) -> float:
        """The sum of a metric's samples that carry ``labels``, as Prometheus would scrape it."""
        async with httpx2.AsyncClient(trust_env=False, timeout=60) as client:
            text = (await client.get(component.metrics)).text
        return sum(float(value) for found, value in _samples(text, name) if labels.items() <= found)

    async def account(
        self, *notifications: str, expected: Iterable[UUID], deleted: Iterable[UUID] = ()
    ) -> Account:
        """Hold MongoDB's records of ``notifications`` against the sink's ledger; every rule that
        always holds is asserted on the way. ``deleted`` had records once.
        """
        ids = [UUID(notification) for notification in notifications]
        found = self.db.deliveries.find({"notification_id": {"$in": ids}})
        records = {document["_id"]: document async for document in found}
        # A replay's number stands behind the id (`Claimed.idempotency_key`).
        entries = self.ground.sink.entries()
        ledger = [replace(entry, delivery=entry.delivery[:UUID_LENGTH]) for entry in entries]
        known = {str(document["_id"]) async for document in self.db.deliveries.find({}, {"_id": 1})}
        known |= {str(id_) for id_ in deleted}
        assert {entry.delivery for entry in ledger} <= known, "something arrived without a record"
        own = {str(id_) for id_ in records}
        account = Account(records, [entry for entry in ledger if entry.delivery in own])
        account.balance(set(expected))
        return account

    def accepted_mails(self) -> int:
        """How many mails and webhooks the sink has taken, copies included."""
        return sum(entry.outcome == "accepted" for entry in self.ground.sink.entries())


async def _blocking(call: Callable[..., T], *arguments: Any) -> T:
    return await asyncio.to_thread(call, *arguments)


def _samples(text: str, name: str) -> Iterable[tuple[Any, str]]:
    for line in text.splitlines():
        match = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
        if match:
            yield dict(re.findall(r'(\w+)="([^"]*)"', match[1] or "")).items(), match[2]


def mail(*addresses: str, **fields: Any) -> Json:
    """The body of a post: one e-mail to each of ``addresses``; ``fields`` add or replace."""
    return {
        "audience": {"addresses": [{"email": address} for address in addresses]},
        "channels": ["email"],
        "content": {"email": {"subject": "Fog tonight", "text": "The bell will ring."}},
    } | fields


async def when(check: Callable[[], Any | Awaitable[Any]], within: float = 20.0) -> None:
    """Wait until ``check`` holds: the moment to interfere."""
    await eventually(check, within, 0.01)
