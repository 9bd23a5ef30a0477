"""An operator for cluster tests: a process of this machine that serves one namespace.

The pods of its CronJobs find no node, so nothing runs: what they come to is written into their
status, as a kubelet would. What runs come to is written into MongoDB, as runner and workers would.
"""

import asyncio
import contextlib
import json
import os
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import yaml
from tests.cluster.campaigns import YEARLY
from tests.cluster.kube import Kube, Object, condition, wait_until
from tests.support.changes import settle_due, store_run

from fogbell.identity import run_id
from fogbell.model.campaign import cronjob_name, firing
from fogbell.model.notification import Origin, OriginType
from fogbell.model.status import DeliveryStatus, Lane
from fogbell.store.database import Database
from fogbell_local.processes import Component, start, stop
from fogbell_local.servers.ports import free_ports

T = TypeVar("T")

POD: Object = {
    "spec": {
        "nodeSelector": {"nosuch": "node"},
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "campaign",
                "image": "nosuch.example.org/campaign:1",
                "resources": {"requests": {"cpu": 0.05}},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                },
            }
        ],
    }
}

CONTENT = {"email": {"subject": "Fog tonight", "text": "The bell will ring."}}


def document(name: str, **changes: Any) -> Object:
    """A Campaign; ``changes`` to its spec, None takes a field away."""
    spec: Object = {
        "schedule": YEARLY,
        "audience": {"all": True},
        "channels": ["email"],
        "content": CONTENT,
        **changes,
    }
    return {
        "apiVersion": "fogbell.dev/v1alpha1",
        "kind": "Campaign",
        "metadata": {"name": name},
        "spec": {field: value for field, value in spec.items() if value is not None},
    }


@dataclass(frozen=True, slots=True)
class Place:
    """A namespace, a database and what an operator for both is started with."""

    kube: Kube
    mongo_uri: str
    database: str
    directory: Path

    @contextlib.contextmanager
    def operator(
        self, kubeconfig: Path | None = None, how: Sequence[str] = ("-m",), **settings: str
    ) -> Iterator[Component]:
        """One that runs, as an administrator unless ``kubeconfig`` says otherwise; ``how`` is as
        for `fogbell_local.processes.start`.
        """
        template = self.directory / "runner.yaml"
        template.write_text(yaml.safe_dump(POD))
        (port,) = free_ports(1)
        environment = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig or self.kube.kubeconfig),
            "FOGBELL_MONGODB_URI": self.mongo_uri,
            "FOGBELL_MONGODB__DATABASE": self.database,
            "FOGBELL_RABBITMQ_URI": "amqp://unused",
            "FOGBELL_OPERATOR__NAMESPACE": self.kube.namespace,
            "FOGBELL_OPERATOR__RESYNC_SECONDS": "2",
            "FOGBELL_OPERATOR__PROGRESS_SECONDS": "0.5",
            "FOGBELL_RUNNER__TEMPLATE_FILE": str(template),
            "FOGBELL_METRICS__HOST": "127.0.0.1",
            "FOGBELL_METRICS__PORT": str(port),
            **settings,
        }
        label = f"operator-{uuid.uuid4().hex[:6]}"
        component = start("operator", label, environment, port, self.directory, how=how)
        try:
            yield component
        finally:
            stop([component])

    def records(self, work: Callable[[Database], Awaitable[T]]) -> T:
        """What ``work`` makes of the database."""

        async def connected() -> T:
            db = Database(self.mongo_uri, self.database)
            try:
                return await work(db)
            finally:
                db.close()

        return asyncio.run(connected())

    def campaign(self, name: str, **changes: Any) -> Object:
        """Apply one; as it stands once the operator has seen it."""
        self.kube.apply(document(name, **changes))
        return self.seen(name)

    def seen(self, name: str) -> Object:
        """A Campaign once its status speaks of its newest spec."""

        def observed() -> Object | None:
            found = self.kube.get("campaign", name)
            status = (found or {}).get("status") or {}
            newest = found and found["metadata"]["generation"]
            return found if status.get("observedGeneration") == newest else None

        found: Object = wait_until(f"the status of {name}", observed, 30)
        return found

    def until(self, name: str, kind: str, status: str, reason: str) -> Object:
        """A Campaign once one of its conditions is so."""
        last: list[Object] = []

        def told() -> Object | None:
            found = self.kube.get("campaign", name)
            last[:] = [condition(found, kind)]
            so = (last[0].get("status"), last[0].get("reason")) == (status, reason)
            return found if so else None

        found: Object = wait_until(
            f"{kind} {status} {reason} of {name}", told, 30, lambda: json.dumps(last)
        )
        return found

    def until_told(self, name: str, words: str) -> None:
        """Wait for an Event of a Campaign with ``words``: they come after its status."""
        told = ("get", "events", f"--field-selector=involvedObject.name={name}")
        wait_until(f"'{words}' of {name}", lambda: words in self.kube.run(*told), 30)

    def cronjob(self, name: str) -> Object:
        """A Campaign's CronJob, which has to exist."""
        found = self.kube.get("cronjob", cronjob_name(name))
        assert found is not None
        return found

    def job(self, name: str, scheduled: datetime) -> Object:
        """The Job that the CronJob would make for a time."""
        called = f"{cronjob_name(name)}-{int(scheduled.timestamp()) // 60}"
        self.kube.run("create", "job", called, f"--from=cronjob/{cronjob_name(name)}")
        found = self.kube.get("job", called)
        assert found is not None
        return found

    def begin(self, campaign: Object, job: Object, **counts: int) -> UUID:
        """The run that ``job`` makes, expanded, with so many deliveries in each status."""
        metadata = campaign["metadata"]
        name, uid = metadata["name"], metadata["uid"]
        fired = firing(cronjob_name(name), job["metadata"]["name"], job["metadata"]["uid"])
        run = run_id(uid, fired.key)
        self.store(run, f"{self.kube.namespace}/{name}", uid, **counts)
        return run

    def store(self, run: UUID, app: str, uid: str, **counts: int) -> None:
        """A run's notification and its deliveries."""
        statuses = {DeliveryStatus(word): number for word, number in counts.items()}

        async def work(db: Database) -> None:
            await store_run(
                db,
                statuses,
                id=run,
                lane=Lane.BULK,
                origin=Origin(OriginType.CAMPAIGN, app),
                metadata={"uid": uid},
            )

        self.records(work)

    def deliver(self, run: UUID) -> None:
        """Settle all of a run, as worker and retry would."""

        async def work(db: Database) -> None:
            await db.deliveries.update_many(
                {"notification_id": run, "status": "pending"}, {"$set": {"status": "delivered"}}
            )
            await settle_due(db)

        self.records(work)

    def field(self, run: UUID, name: str) -> object:
        """A field of a run's notification."""

        async def work(db: Database) -> object:
            return (await db.notifications.find_one({"_id": run}) or {}).get(name)

        return self.records(work)
